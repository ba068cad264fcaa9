"""What to change in a spec after a verdict: the rules of the note, as patches that validate."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import starmap

from pydantic import JsonValue, ValidationError

from ridgeline.api.report import Raise, Suggestion, Verdict
from ridgeline.planning.policy import with_dropout
from ridgeline.planning.resolve import resolve
from ridgeline.spec.faults import SpecError, pointer
from ridgeline.spec.job_spec import JobSpec, PatchOperation, apply_patch
from ridgeline.spec.layers import Layer
from ridgeline.spec.regularization.policy import DropoutPolicy, DropoutSite
from worker.engine.diagnosis.verdict import (
    CROSSENTROPIES,
    MIN_EPOCHS,
    Diagnosis,
    is_early,
)

USUAL_L2 = 1e-4
"""The strength in the note's CIFAR-10 network. A penalty has the units of the loss: unless that is
a crossentropy, the strength is multiplied by the reference."""
FIRST_RATE, HIGHEST_RATE, RATE_STEP = 0.3, 0.5, 0.1
HOPELESS_LEVEL = 0.98
"""At a training loss above this share of a constant prediction's, nothing was learned."""

_DROPOUT = "note, Dropout: start with 0.3, and if you see signs of overfitting, increase the rate"
_BOTH = "note, last remark: use both types of regularization"
_WEIGHTS = "note, Remark: a large λ leads to negligible weights, which learn little"
_STEP = (
    "note, update rule W ← W − η·∂E/∂W: too long a step overshoots the minimum, too short a step"
    " crawls"
)
_CAPACITY = "note, Regularization: it reduces complexity, which is too low here"
_SPLIT = "note, Dropout: raise the rate on signs of overfitting, which only held-out rows show"
_EARLY = "Prechelt, 1998, Early stopping: stop where the validation loss is lowest"

_EPOCHS = pointer("training", "epochs")

Accepts = Callable[[JobSpec], object]


def suggest(
    diagnosis: Diagnosis,
    resolved: JobSpec,
    *,
    epochs: int,
    raises: Sequence[Raise] = (),
    accepts: Accepts = resolve,
) -> tuple[Suggestion, ...]:
    """Changes to the job's `resolved` spec that its verdict calls for, most important first.

    `epochs` is the number that ran. Rates and penalties that training itself raised count as
    raised. A change that `accepts` rejects (SpecError) is left out.
    """
    spec = _as_raised(resolved, raises)
    candidates = {
        Verdict.OVERFIT: _overfit,
        Verdict.UNDERFIT: _underfit,
        Verdict.DIVERGED: _diverged,
        Verdict.GOOD: _good,
        Verdict.UNCLEAR: _unclear,
    }[diagnosis.verdict](diagnosis, spec, epochs)
    return tuple(change for change in candidates if _validates(resolved, change, accepts))


def _overfit(diagnosis: Diagnosis, spec: JobSpec, epochs: int) -> Iterator[Suggestion]:
    dropping = [*_rates(spec)]
    penalized = [*_strengths(spec, "l2")]
    raised = [(at, _raised(rate)) for at, rate in dropping if rate < HIGHEST_RATE]
    site = None if dropping else _dropout_site(spec)
    if site is not None:
        policy: JsonValue = {"rate": FIRST_RATE, "after": [site]}
        where = f"Add dropout {FIRST_RATE} after the {site} layers."
        at = pointer("regularization", "dropout")
        yield _suggestion("add-dropout", where, _DROPOUT, _add(at, policy))
    if raised:
        rates = ", ".join(sorted({f"{rate:g}" for _, rate in raised}))
        message = f"Raise the dropout rate to {rates}."
        yield _suggestion("raise-dropout", message, _DROPOUT, *starmap(_replace, raised))
    if not penalized:
        strength = _usual_l2(diagnosis, spec)
        operations = [*_l2_everywhere(spec, strength)]
        source = _BOTH if dropping else "note, Weight Regularization: force weights to be small"
        if operations:
            message = f"Add an L2 penalty of {strength:g} on every kernel."
            yield _suggestion("add-l2", message, source, *operations)
    elif not raised:
        message = "Triple the L2 penalty."
        operations = [_replace(at, _digits(3 * strength)) for at, strength in penalized]
        yield _suggestion("raise-l2", message, _WEIGHTS, *operations)
    yield from _stop_at_best(diagnosis, spec, epochs)


def _underfit(diagnosis: Diagnosis, spec: JobSpec, epochs: int) -> Iterator[Suggestion]:
    learned = diagnosis.level is not None and diagnosis.level < HOPELESS_LEVEL
    dropping = [*_rates(spec)]
    penalized = [*_strengths(spec, "l1"), *_strengths(spec, "l2")]
    if penalized:
        operations = [_replace(at, _digits(strength / 10)) for at, strength in penalized]
        yield _suggestion("lower-penalty", "Divide the penalties by ten.", _WEIGHTS, *operations)
    if dropping:
        message = "Halve the dropout rates."
        operations = [_replace(at, _digits(value / 2)) for at, value in dropping]
        yield _suggestion("lower-dropout", message, _CAPACITY, *operations)
    if diagnosis.improving:
        falling = f"the loss was still falling after {epochs} epochs."
        message = f"Train twice as long: {falling}"
        yield _more_patience(diagnosis, spec, falling) or _suggestion(
            "train-longer", message, _CAPACITY, _replace(_EPOCHS, 2 * spec.training.epochs)
        )
    if penalized or dropping:
        return
    if learned:
        widened = [*_doubled_width(spec)]
        if widened:
            message = "Double the width of the hidden layers."
            yield _suggestion("widen", message, _CAPACITY, *widened)
    elif diagnosis.falling:
        yield from _learning_rate(spec, "raise-learning-rate", 10.0)
    else:
        yield from _learning_rate(spec, "lower-learning-rate", 0.1)


def _diverged(_: Diagnosis, spec: JobSpec, __: int) -> Iterator[Suggestion]:
    yield from _learning_rate(spec, "lower-learning-rate", 0.1)
    penalized = [*_strengths(spec, "l1"), *_strengths(spec, "l2")]
    if penalized:
        operations = [_replace(at, _digits(strength / 10)) for at, strength in penalized]
        message = "Divide the penalties by ten: one step may shrink a weight past zero."
        yield _suggestion("lower-penalty", message, _WEIGHTS, *operations)


def _good(diagnosis: Diagnosis, spec: JobSpec, epochs: int) -> Iterator[Suggestion]:
    yield from _stop_at_best(diagnosis, spec, epochs)


def _unclear(diagnosis: Diagnosis, spec: JobSpec, _: int) -> Iterator[Suggestion]:
    signs = {evidence.id for evidence in diagnosis.evidence}
    if spec.split.validation == 0:
        held_out = _replace(pointer("split", "validation"), 0.2)
        yield _suggestion("hold-out", "Hold out a fifth of the rows.", _SPLIT, held_out)
    if "too-few-epochs" in signs:
        few = "too few epochs to show a trend."
        longer = _replace(_EPOCHS, max(10, 2 * spec.training.epochs))
        yield _more_patience(diagnosis, spec, few) or _suggestion(
            "train-longer", f"Train longer: {few}", _SPLIT, longer
        )
    if "both-rose" in signs:
        yield from _learning_rate(spec, "lower-learning-rate", 0.1)


def _more_patience(diagnosis: Diagnosis, spec: JobSpec, why: str) -> Suggestion | None:
    """A longer patience, if early stopping ended the training: more epochs would not run."""
    stopping = spec.training.early_stopping
    if stopping is None or not _shows(diagnosis, "stopped-early"):
        return None
    patience = max(2 * stopping.patience, MIN_EPOCHS)
    message = f"Raise the patience of early stopping to {patience}: {why}"
    at = pointer("training", "early_stopping", "patience")
    return _suggestion("raise-patience", message, _EARLY, _replace(at, patience))


def _stop_at_best(diagnosis: Diagnosis, spec: JobSpec, epochs: int) -> Iterator[Suggestion]:
    best, stopping = diagnosis.best_epoch, spec.training.early_stopping
    if best is None or _shows(diagnosis, "restored") or not is_early(best, epochs):
        return
    if stopping is not None and stopping.monitor == "val_data_loss":
        verb = "Keep the weights of"
        change = _replace(pointer("training", "early_stopping", "restore_best_weights"), value=True)
    else:
        verb, change = "Stop at", _replace(_EPOCHS, best)
    message = f"{verb} epoch {best}, where val_data_loss was lowest."
    yield _suggestion("stop-at-best", message, _EARLY, change)


def _shows(diagnosis: Diagnosis, identifier: str) -> bool:
    return any(evidence.id == identifier for evidence in diagnosis.evidence)


def _learning_rate(spec: JobSpec, identifier: str, factor: float) -> Iterator[Suggestion]:
    """Multiply the learning rate by `factor`, if it is a number."""
    rate: object = spec.training.optimizer.learning_rate
    if not isinstance(rate, float):
        return
    verb, changed = "Raise" if factor > 1 else "Lower", _digits(factor * rate)
    message = f"{verb} the learning rate from {rate:g} to {changed:g}."
    at = pointer("training", "optimizer", "learning_rate")
    yield _suggestion(identifier, message, _STEP, _replace(at, changed))


def _rates(spec: JobSpec) -> Iterator[tuple[str, float]]:
    """Pointer and value of every dropout rate above 0."""
    for index, layer in enumerate(spec.model.layers):
        rate: float = getattr(layer, "rate", 0.0)
        if layer.drops and rate > 0:
            yield pointer("model", "layers", index, "rate"), rate


def _strengths(spec: JobSpec, kind: str) -> Iterator[tuple[str, float]]:
    """Pointer and value of every L1 or L2 strength above 0."""
    for index, layer in enumerate(spec.model.layers):
        for argument in layer.regularizers:
            strength: float = getattr(getattr(layer, argument), kind, 0.0)
            if strength > 0:
                yield pointer("model", "layers", index, argument, kind), strength


def _usual_l2(diagnosis: Diagnosis, spec: JobSpec) -> float:
    if spec.training.loss.name in CROSSENTROPIES or diagnosis.reference is None:
        return USUAL_L2
    return float(f"{USUAL_L2 * diagnosis.reference:.1g}")


def _l2_everywhere(spec: JobSpec, strength: float) -> Iterator[PatchOperation]:
    """An L2 penalty for every kernel without any penalty."""
    for index, layer in enumerate(spec.model.layers):
        for argument, (_, part) in layer.regularizers.items():
            if part == "weights" and getattr(layer, argument) is None:
                yield _add(pointer("model", "layers", index, argument), {"l2": strength})


def _dropout_site(spec: JobSpec) -> DropoutSite | None:
    """The family of layers after which the policy can place dropout, as in the note."""
    sites: tuple[DropoutSite, ...] = ("dense", "pooling")
    for site in sites:
        policy = DropoutPolicy(rate=FIRST_RATE, after=(site,))
        if len(with_dropout(spec.model.layers, policy)) > len(spec.model.layers):
            return site
    return None


def _doubled_width(spec: JobSpec) -> Iterator[PatchOperation]:
    """Double the units or filters of every layer that has any, except the last."""
    sized = [
        (pointer("model", "layers", index, size), int(getattr(layer, size)))
        for index, layer in enumerate(spec.model.layers)
        for size in ("units", "filters")
        if isinstance(getattr(layer, size, None), int)
    ]
    for at, width in sized[:-1]:
        yield _replace(at, 2 * width)


def _as_raised(spec: JobSpec, raises: Sequence[Raise]) -> JobSpec:
    """The spec with the rates and strengths at the end of training."""
    layers = list(spec.model.layers)
    for change in raises:
        layers = [_layer_as_raised(layer, change) for layer in layers]
    return spec.model_copy(
        update={"model": spec.model.model_copy(update={"layers": tuple(layers)})}
    )


def _layer_as_raised(layer: Layer, change: Raise) -> Layer:
    if change.what == "dropout":
        rate = getattr(layer, "rate", None)
        same = layer.drops and rate is not None and math.isclose(rate, change.before)
        return layer.model_copy(update={"rate": change.after}) if same else layer
    raised = {}
    for argument in layer.regularizers:
        penalty = getattr(layer, argument)
        if penalty is not None and math.isclose(getattr(penalty, "l2", 0.0), change.before):
            raised[argument] = penalty.model_copy(update={"l2": change.after})
    return layer.model_copy(update=raised)


def _raised(rate: float) -> float:
    """The next rate: first 0.3, then steps of 0.1 up to 0.5."""
    return _digits(FIRST_RATE if rate < FIRST_RATE else min(rate + RATE_STEP, HIGHEST_RATE))


def _validates(resolved: JobSpec, suggestion: Suggestion, accepts: Accepts) -> bool:
    try:
        accepts(apply_patch(resolved, suggestion.patch))
    except (SpecError, ValidationError):
        return False
    return True


def _suggestion(identifier: str, message: str, source: str, *patch: PatchOperation) -> Suggestion:
    return Suggestion(id=identifier, message=message, source=source, patch=patch)


def _add(at: str, value: JsonValue) -> PatchOperation:
    return PatchOperation(op="add", path=at, value=value)


def _replace(at: str, value: JsonValue) -> PatchOperation:
    return PatchOperation(op="replace", path=at, value=value)


def _digits(value: float) -> float:
    """Round to six digits, so that 0.3 + 0.1 gives 0.4."""
    return float(f"{value:.6g}")
