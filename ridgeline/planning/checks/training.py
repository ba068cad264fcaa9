"""Checks that `training` and raises agree with each other, with the target and with the split."""

from collections.abc import Iterator, Sequence

from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from ridgeline.spec.training import Monitor, Schedule, Training
from ridgeline.spec.training.losses import SparseCategoricalCrossentropy
from ridgeline.spec.training.schedules import CosineDecay, PiecewiseConstantDecay

_CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")
_LOSSES = ("data_loss", "loss", "penalty")
_RATE_AT = ("training", "optimizer", "learning_rate")


def check_fitting(training: Training, *, classes: int | None, validates: bool) -> None:
    """Raise SpecError with every contradiction in `training`.

    `classes` is None if the target is a real value; `validates` is whether there are validation
    rows.
    """
    faults = [
        *_clipping(training),
        *_schedule(training),
        *_label_smoothing(training),
        *_class_weight(training, classes),
        *_monitors(training, validates=validates),
    ]
    if faults:
        raise SpecError(faults)


def check_raising(policy: Regularization, *, validates: bool) -> None:
    """Raise SpecError for a raise on overfitting without validation rows to detect it."""
    faults = [
        Fault(
            pointer=pointer("regularization", name, "raise_on_overfit"),
            detail="expected validation rows, to detect overfitting; set /split/validation above"
            " 0, or leave raise_on_overfit out",
            rule="raise-needs-validation",
        )
        for name, part in (("dropout", policy.dropout), ("weights", policy.weights))
        if part is not None and part.raise_on_overfit is not None and not validates
    ]
    if faults:
        raise SpecError(faults)


def check_proximal(training: Training, penalties: Sequence[PenaltyTerm]) -> None:
    """Raise SpecError if the optimizer would undo the exact zeros of a proximal L1."""
    if not any(term.proximal for term in penalties):
        return
    optimizer, at = training.optimizer, ("training", "optimizer")
    faults = []
    if optimizer.name == "ftrl":
        detail = (
            'expected another optimizer with l1_mode "proximal": ftrl recomputes weights from its'
            " own sums at every step; use its l1_regularization_strength, which also gives exact"
            " zeros"
        )
        faults.append(Fault(pointer=pointer(*at), detail=detail, rule="proximal-optimizer"))
    if optimizer.use_ema:
        detail = (
            'expected false with l1_mode "proximal": an average over steps is zero only if every'
            " step was, so exact zeros would be lost"
        )
        at_average = pointer(*at, "use_ema")
        faults.append(Fault(pointer=at_average, detail=detail, rule="proximal-average"))
    if faults:
        raise SpecError(faults)


def monitored(training: Training, *, validates: bool) -> tuple[str, ...]:
    """The series of a run that a callback can monitor.

    `train_data_loss` and `train_<metric>` are measured on a sample of training rows in inference
    mode; gap = val_data_loss − train_data_loss.
    """
    series = [*_LOSSES, *training.metrics]
    sampled = ["train_data_loss", *(f"train_{name}" for name in training.metrics)]
    if not validates:
        return (*series, *sampled)
    return (*(f"val_{name}" for name in series), *series, *sampled, "gap")


def _clipping(training: Training) -> Iterator[Fault]:
    used = [name for name in _CLIPPINGS if getattr(training.optimizer, name) is not None]
    for name in used[1:]:
        yield Fault(
            pointer=pointer("training", "optimizer", name),
            detail=f"expected at most one kind of clipping, received {used[0]} and {name}; leave"
            " one of them out",
            rule="one-clipping",
        )


def _schedule(training: Training) -> Iterator[Fault]:
    rate = training.optimizer.learning_rate
    if isinstance(rate, PiecewiseConstantDecay):
        yield from _pieces(rate)
    if isinstance(rate, CosineDecay):
        yield from _warmup(rate)
    if isinstance(rate, Schedule) and training.reduce_lr_on_plateau is not None:
        yield Fault(
            pointer=pointer("training", "reduce_lr_on_plateau"),
            detail=f"expected a number as learning_rate, received {rate.name}, which sets the rate"
            " of every step itself; use either the schedule or reduce_lr_on_plateau",
            rule="plateau-or-schedule",
        )


def _pieces(rate: PiecewiseConstantDecay) -> Iterator[Fault]:
    boundaries, values = rate.boundaries, rate.values
    if len(values) != len(boundaries) + 1:
        yield Fault(
            pointer=pointer(*_RATE_AT, "values"),
            detail=f"expected {len(boundaries) + 1} values, one more than boundaries; received"
            f" {len(values)}",
            rule="schedule-pieces",
        )
    for index in range(1, len(boundaries)):
        if boundaries[index] <= boundaries[index - 1]:
            yield Fault(
                pointer=pointer(*_RATE_AT, "boundaries", index),
                detail=f"expected boundaries in ascending order, received {boundaries[index]} after"
                f" {boundaries[index - 1]}",
                rule="schedule-pieces",
            )
            return


def _warmup(rate: CosineDecay) -> Iterator[Fault]:
    if rate.warmup_target is not None:
        return
    if rate.warmup_steps:
        at = "warmup_steps"
        detail = "expected a warmup_target with warmup_steps, the rate at the end of the warmup"
    elif rate.initial_learning_rate == 0:
        at = "initial_learning_rate"
        detail = "expected more than 0, or a warmup_target above 0; received 0"
    else:
        return
    yield Fault(pointer=pointer(*_RATE_AT, at), detail=detail, rule="schedule-warmup")


def _label_smoothing(training: Training) -> Iterator[Fault]:
    loss = training.loss
    if isinstance(loss, SparseCategoricalCrossentropy) and loss.label_smoothing:
        yield Fault(
            pointer=pointer("training", "loss", "label_smoothing"),
            detail="expected 0: sparse_categorical_crossentropy reads class numbers, which cannot"
            " be smoothed; use categorical_crossentropy (targets are converted automatically)",
            rule="loss-smooths-labels",
        )


def _class_weight(training: Training, classes: int | None) -> Iterator[Fault]:
    weights = training.class_weight
    if weights is None:
        return
    at = ("training", "class_weight")
    if classes is None:
        detail = "expected null: the target is a real value, so there are no classes to weight"
        yield Fault(pointer=pointer(*at), detail=detail, rule="class-weight-classes")
        return
    if weights == "balanced":
        return
    known = {str(number) for number in range(classes)}
    for name in weights:
        if name not in known:
            detail = f"expected a class number from 0 to {classes - 1}, received {name!r}"
            yield Fault(pointer=pointer(*at, name), detail=detail, rule="class-weight-classes")
    if known == set(weights) and not any(weights.values()):
        detail = "expected a weight above 0 for at least one class, or nothing would be learned"
        yield Fault(pointer=pointer(*at), detail=detail, rule="class-weight-zero")


def _monitors(training: Training, *, validates: bool) -> Iterator[Fault]:
    for name in ("early_stopping", "reduce_lr_on_plateau"):
        callback: Monitor | None = getattr(training, name)
        if callback is not None:
            yield from _monitor(callback, name, training, validates=validates)


def _monitor(
    callback: Monitor, name: str, training: Training, *, validates: bool
) -> Iterator[Fault]:
    available = monitored(training, validates=validates)
    if callback.monitor in available:
        return
    if callback.monitor in monitored(training, validates=True):
        detail = (
            f"{callback.monitor} needs validation rows; set /split/validation above 0, or monitor"
            f" one of {', '.join(available)}"
        )
    else:
        detail = (
            f"expected a series of this run, one of {', '.join(available)}; received"
            f" {callback.monitor!r}. Metrics must be listed in /training/metrics"
        )
    yield Fault(
        pointer=pointer("training", name, "monitor"), detail=detail, rule="monitor-is-measured"
    )
