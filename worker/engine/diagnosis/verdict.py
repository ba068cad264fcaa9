"""What the loss curves say of a run: overfit, underfit, good, diverged, or unclear.

Every comparison is relative, to a reference loss or to the curve's own noise, so it holds for any
loss and any units. The reference is the data loss of the best constant prediction (the baseline):
what the target's frequencies or mean alone give, without a look at the features. Curves are
compared by running medians, so that no single epoch decides.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ridgeline.api.curves import EpochRow
from ridgeline.api.report import Evidence, Verdict
from worker.engine.diagnosis.smoothing import Curve

MIN_EPOCHS = 5
"""Fewer leave no room for a minimum and a rise after it, each a median of three."""
RISE = 0.1
"""How far above its least value, as a share of it, validation has to end to have risen."""
LEAST_CHANGE = 0.01
"""The share of the reference below which no change counts: at a thousandth of what can be learned a
loss may double and mean nothing."""
NOISES = 4.0
"""A change counts from so many standard deviations of the curve's noise on. The least of many
medians lies two below the course by chance alone, and the end may lie two above: of level curves,
5 to 300 epochs long, at most 3% are said to have risen (simulated)."""
MEMORISED = 0.01
"""At this share of the reference the training loss has nothing left to fall by."""
LARGE_GAP = 0.2
"""The gap, as a share of the reference, from which on it is large: a fifth of what can be learned
at all was learned of the training rows alone."""
HIGH = 0.6
"""The share of the reference above which a loss is high: less than 40% of it was learned away."""
HARDLY_FELL = 0.9
"""The same where the reference is the first epoch's loss, after which much is learned already."""
IMPROVING = 0.05
"""The share by which the last quarter of the epochs lowers a loss that is still improving."""
GREW = 3.0
"""How many times the baseline, and its own least value, a loss is that grew in place of falling."""
HOPELESS = 10.0
"""A crossentropy so many times the baseline is no slow start, for a fresh network guesses evenly:
the weights have blown up."""

CROSSENTROPIES = frozenset(
    {"sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"}
)
_LOSSES = ("data_loss", "penalty", "train_data_loss", "val_data_loss")


@dataclass(frozen=True)
class Diagnosis:
    """A verdict with what it stands on."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    best_epoch: int | None
    """The epoch with the least `val_data_loss`."""
    gap: float | None
    """Validation's data loss less training's, medians over the last judged epochs."""
    gap_share: float | None
    """gap / reference."""
    reference: float | None
    baseline: float | None
    level: float | None
    """The training rows' data loss at the end / reference: 0 is perfect, 1 is a constant's."""
    improving: bool
    """Whether the training loss was still falling at the end, by an amount that counts."""
    falling: bool
    """Whether it was still falling at all, if only by more than its noise."""


def diagnose(
    rows: Sequence[EpochRow],
    *,
    loss_name: str,
    baseline: float | None = None,
    floor: float = 0.0,
    kept_epoch: int | None = None,
) -> Diagnosis:
    """Judge a run by its curves.

    - diverged: a loss is not finite, or ended GREW times above the baseline and its own minimum.
    - overfit: validation rose from its minimum by more than RISE and NOISES, while the training
      loss fell on or the gap is large; or the gap is large, risen or not.
    - underfit: both losses are above HIGH of the reference, and the gap is not large.
    - good: none of these: well below the reference, with a small gap.
    - unclear: fewer than MIN_EPOCHS, no validation, or signs that contradict each other.

    The training loss is `train_data_loss` (inference mode) where every row has it, else
    `data_loss`, which dropout raises and which is a mean over the epoch: it makes the gap look
    smaller. `floor` is the loss of a perfect prediction, above 0 where labels are smoothed; the
    reference is what the baseline has above it. `kept_epoch` names the epoch whose weights are the
    result, if later ones ran: only the rows up to it are judged.
    """
    judged = [row for row in rows if kept_epoch is None or row.epoch <= kept_epoch]
    run = _Run(judged, baseline, floor)
    verdict, evidence = _judge(rows, run, loss_name)
    best = _best_epoch(rows)
    return Diagnosis(
        verdict=verdict,
        evidence=(*evidence, *_remarks(rows, run, best, kept_epoch)),
        best_epoch=best,
        gap=run.gap,
        gap_share=_over(run.gap, run.reference),
        reference=run.reference,
        baseline=baseline,
        level=run.share(run.train[-1]) if run.train else None,
        improving=run.improving,
        falling=run.falling,
    )


class _Run:
    """The judged epochs: those with every loss finite."""

    def __init__(self, rows: Sequence[EpochRow], baseline: float | None, floor: float) -> None:
        self.held_out = any("val_data_loss" in row.values for row in rows)
        needed = ["data_loss", "val_data_loss"] if self.held_out else ["data_loss"]
        finite = [row for row in rows if all(row.values.get(name) is not None for name in needed)]
        inference = bool(finite) and all(
            row.values.get("train_data_loss") is not None for row in finite
        )
        self.epochs = [row.epoch for row in finite]
        self.own = _curve(finite, "data_loss")
        self.total = _curve(finite, "loss")
        self.training = _curve(finite, "train_data_loss") if inference else self.own
        self.validation = _curve(finite, "val_data_loss") if self.held_out else None
        self.baseline = baseline
        first = self.training.values[0] if finite else 0.0
        self.floor = floor if baseline else 0.0
        reference = (baseline or first) - self.floor
        self.reference = reference if reference > 0 else None

    @property
    def train(self) -> list[float]:
        return self.training.course

    def share(self, loss: float) -> float | None:
        """What of the reference the loss still is: 0 for a perfect prediction."""
        return _over(loss - self.floor, self.reference)

    @property
    def gap(self) -> float | None:
        if self.validation is None or not self.train:
            return None
        return self.validation.course[-1] - self.train[-1]

    @property
    def back(self) -> int:
        """The place from which the last quarter of the course starts."""
        count = len(self.train)
        return max(count - 1 - max(count // 4, self.training.window), 0)

    @property
    def falling(self) -> bool:
        if len(self.train) < MIN_EPOCHS:
            return False
        return self.train[self.back] - self.train[-1] > NOISES * self.training.noise

    @property
    def improving(self) -> bool:
        before = self.train[self.back] if self.train else 0.0
        floor = max(IMPROVING * abs(before), LEAST_CHANGE * (self.reference or 0.0))
        return self.falling and before - self.train[-1] > floor


def _judge(
    rows: Sequence[EpochRow], run: _Run, loss_name: str
) -> tuple[Verdict, tuple[Evidence, ...]]:
    diverged = tuple(_divergence(rows, run, loss_name))
    if diverged:
        return Verdict.DIVERGED, diverged
    if len(run.epochs) < MIN_EPOCHS:
        return Verdict.UNCLEAR, (_too_few(run),)
    level, slope = _level(run), _slope(run)
    if run.validation is None:
        return Verdict.UNCLEAR, (_no_validation(), *level, slope)
    rose, gap = _rise(run, run.validation), _gap(run, run.validation)
    fell = _fall(run, run.validation) if rose else None
    found = tuple(each for each in (rose, fell, gap, *level, slope) if each is not None)
    large = gap.id == "large-gap"
    if large or (rose and fell):
        return Verdict.OVERFIT, found
    if rose:
        return Verdict.UNCLEAR, (*found, _contradiction(run))
    return _by_level(run), found


def _by_level(run: _Run) -> Verdict:
    """The verdict on a run whose gap is small and whose validation did not rise."""
    if run.reference is None or run.validation is None:
        return Verdict.UNCLEAR
    # Both: measured with dropout on, the training loss alone may be high.
    lower = (min(run.train[-1], run.validation.course[-1]) - run.floor) / run.reference
    if run.baseline:
        return Verdict.UNDERFIT if lower > HIGH else Verdict.GOOD
    if lower <= HARDLY_FELL:
        return Verdict.GOOD
    # Without a baseline a level loss may be a learned one or a hopeless one.
    return Verdict.UNDERFIT if run.improving else Verdict.UNCLEAR


def _divergence(rows: Sequence[EpochRow], run: _Run, loss_name: str) -> Iterator[Evidence]:
    broken = tuple(name for name in rows[-1].nonfinite if name in _LOSSES) if rows else ()
    if broken:
        message = f"{', '.join(broken)} became infinite or NaN in epoch {rows[-1].epoch}."
        yield _evidence("nonfinite", message, broken, rows[-1].epoch)
    if not run.epochs:
        return
    for curve in (run.own, run.total):
        end, first = curve.course[-1], curve.values[0]
        if end >= first and end > GREW * max(run.baseline or 0.0, *[min(curve.course)]) > 0:
            message = (
                f"{curve.name} ended at {end:.4g}, above its start of {first:.4g} and more than"
                f" {GREW:g} times its least value of {min(curve.course):.4g}."
            )
            yield _evidence("loss-grew", message, (curve.name,), run.epochs[0], run.epochs[-1])
    # The training rows as they are measured: class weights may make data_loss many times as large.
    end, name = run.train[-1], run.training.name
    if loss_name in CROSSENTROPIES and run.baseline and end > HOPELESS * run.baseline:
        message = (
            f"{name} ended at {end:.4g}, {end / run.baseline:.0f} times the"
            f" {run.baseline:.4g} of predicting the class frequencies alone."
        )
        yield _evidence("worse-than-guessing", message, (name,), run.epochs[-1])


def _rise(run: _Run, validation: Curve) -> Evidence | None:
    """Whether validation ended above its minimum, by more than noise."""
    place, least, end = validation.least_place, min(validation.course), validation.course[-1]
    floor = LEAST_CHANGE * (run.reference or 0.0)
    if end - least <= max(RISE * abs(least), floor, NOISES * validation.noise):
        return None
    message = (
        f"val_data_loss rose from its least value, {least:.4g} at epoch {run.epochs[place]}, to"
        f" {end:.4g} at the end (medians over {validation.window} epochs)."
    )
    return _evidence(
        "validation-rose", message, ("val_data_loss",), run.epochs[place], run.epochs[-1]
    )


def _fall(run: _Run, validation: Curve) -> Evidence | None:
    """Whether the training loss fell on since validation was least, or had nothing left."""
    place = validation.least_place
    before, end, name = run.train[place], run.train[-1], run.training.name
    at = run.epochs[place], run.epochs[-1]
    if before - end > NOISES * run.training.noise and before > end:
        message = f"{name} fell on from {before:.4g} to {end:.4g} since epoch {at[0]}."
        return _evidence("training-fell-on", message, (name,), *at)
    if run.reference is not None and end - run.floor <= MEMORISED * run.reference:
        message = f"{name} is {end:.4g}: the training rows are learned by heart."
        return _evidence("training-memorised", message, (name,), at[-1])
    return None


def _gap(run: _Run, validation: Curve) -> Evidence:
    held_out, train, name = validation.course[-1], run.train[-1], run.training.name
    share = _over(held_out - train, run.reference)
    large = share is not None and share > LARGE_GAP
    of = "" if share is None else f", {share:.0%} of the {_reference(run)}"
    message = (
        f"val_data_loss, {held_out:.4g}, less {name}, {train:.4g}, is a gap of"
        f" {held_out - train:.4g}{of}."
    )
    identifier = "large-gap" if large else "small-gap"
    return _evidence(identifier, message, ("val_data_loss", name), run.epochs[-1])


def _level(run: _Run) -> Iterator[Evidence]:
    """How the training loss stands to the reference."""
    if run.reference is None:
        return
    share = (run.train[-1] - run.floor) / run.reference
    high = share > (HIGH if run.baseline else HARDLY_FELL)
    message = (
        f"{run.training.name} ended at {run.train[-1]:.4g}, {share:.0%} of the {_reference(run)}."
    )
    identifier = "high-training-loss" if high else "low-training-loss"
    yield _evidence(identifier, message, (run.training.name,), run.epochs[-1])


def _reference(run: _Run) -> str:
    if run.floor:
        return (
            f"{run.reference:.4g} between a constant prediction and a perfect one's"
            f" {run.floor:.4g}, for labels are smoothed"
        )
    what = "a constant prediction gives" if run.baseline else "of the first epoch"
    return f"{run.reference:.4g} {what}"


def _slope(run: _Run) -> Evidence:
    before, after = run.train[run.back], run.train[-1]
    since = run.epochs[run.back]
    name = run.training.name
    if run.improving:
        message = f"{name} was still falling: from {before:.4g} to {after:.4g} since epoch {since}."
        return _evidence("still-improving", message, (name,), since, run.epochs[-1])
    message = (
        f"{name} went from {before:.4g} to {after:.4g} since epoch {since}: it has levelled off."
    )
    return _evidence("plateau", message, (name,), since, run.epochs[-1])


def _remarks(
    rows: Sequence[EpochRow], run: _Run, best: int | None, kept_epoch: int | None
) -> Iterator[Evidence]:
    """What limits the evidence, or what the user would otherwise wonder about."""
    if run.epochs and run.training.name == "data_loss" and run.validation is not None:
        message = (
            "The training loss here is data_loss: a mean over the epoch, with dropout on where"
            " there is any. In inference mode it would be lower and the gap larger."
        )
        yield _evidence("training-mode", message, ("data_loss",))
    if kept_epoch is not None and rows and kept_epoch < rows[-1].epoch:
        message = (
            f"The weights are those of epoch {kept_epoch}; the {rows[-1].epoch - kept_epoch}"
            " after it were not kept."
        )
        yield _evidence("restored", message, (), kept_epoch, rows[-1].epoch)
    elif best is not None and is_early(best, len(rows)):
        message = f"val_data_loss was least at epoch {best} of {rows[-1].epoch}."
        yield _evidence("best-epoch-early", message, ("val_data_loss",), best, rows[-1].epoch)


def is_early(best_epoch: int, epochs: int) -> bool:
    """Whether the best epoch came so long before the last that the rest was not worth training.

    A quarter of the epochs, and MIN_EPOCHS at least: less may be chance.
    """
    return epochs - best_epoch >= max(MIN_EPOCHS, epochs / 4)


def _best_epoch(rows: Sequence[EpochRow]) -> int | None:
    """The epoch with the least `val_data_loss`, the first of equals."""
    measured = [(row.values.get("val_data_loss"), row.epoch) for row in rows]
    found = [(value, epoch) for value, epoch in measured if value is not None]
    return min(found)[1] if found else None


def _too_few(run: _Run) -> Evidence:
    message = f"{len(run.epochs)} epochs were measured; a verdict takes {MIN_EPOCHS}."
    return _evidence("too-few-epochs", message, (), *run.epochs)


def _no_validation() -> Evidence:
    message = "No rows were held out for validation, so overfitting cannot be seen."
    return _evidence("no-validation", message, ())


def _contradiction(run: _Run) -> Evidence:
    message = (
        f"val_data_loss rose, but {run.training.name} did not fall meanwhile: this is not what"
        " overfitting looks like; the learning rate may be too high."
    )
    series = ("val_data_loss", run.training.name)
    return _evidence("both-rose", message, series, run.epochs[-1])


def _evidence(identifier: str, message: str, series: tuple[str, ...], *epochs: int) -> Evidence:
    return Evidence(id=identifier, message=message, series=series, epochs=epochs)


def _curve(rows: Sequence[EpochRow], name: str) -> Curve:
    return Curve(name, [value for row in rows if (value := row.values.get(name)) is not None])


def _over(value: float | None, reference: float | None) -> float | None:
    """Value / reference, where there are both and a float64 holds it."""
    if value is None or reference is None or not math.isfinite(value / reference):
        return None
    return value / reference
