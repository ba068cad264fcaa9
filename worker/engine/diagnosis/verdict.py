"""The verdict on a run by its loss curves: overfit, underfit, good, diverged, or unclear.

Every comparison is relative to a reference loss or to the curve's own noise, so it holds for any
loss and any units. The reference is the data loss of the best constant prediction (the baseline),
which uses the target's frequencies or mean and no features. Curves are compared by running medians,
so no single epoch decides.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ridgeline.api.curves import EpochRow
from ridgeline.api.report import Evidence, Verdict
from worker.engine.diagnosis.smoothing import Curve

MIN_EPOCHS = 5
"""Fewer have no room for a minimum and a rise after it, each a median of three."""
RISE = 0.1
"""Validation rose if it ends above its minimum by this share of it."""
LEAST_CHANGE = 0.01
"""Changes below this share of the reference do not count: at a thousandth of the reference, a loss
may double and mean nothing."""
NOISES = 4.0
"""A change counts from this many standard deviations of the curve's noise. By chance alone the
least of many medians lies two below the trend, and the end may lie two above: of level curves
with 5 to 300 epochs, at most 3% count as risen (simulated)."""
MEMORIZED = 0.01
"""At this share of the reference the training loss cannot fall much further."""
LARGE_GAP = 0.2
"""A gap above this share of the reference is large: a fifth of what can be learned holds for the
training rows only."""
HIGH = 0.6
"""A loss above this share of the reference is high: training removed less than 40% of it."""
HARDLY_FELL = 0.9
"""The same if the reference is the loss of the first epoch, which already learned much."""
IMPROVING = 0.05
"""A loss is still improving if the last quarter of the epochs lowers it by this share."""
GREW = 3.0
"""A loss grew if it ended at this many times the baseline and its own minimum."""
HOPELESS = 10.0
"""A crossentropy this many times the baseline is no slow start, since a fresh network guesses
evenly: the weights have blown up."""

CROSSENTROPIES = frozenset(
    {"sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"}
)
_LOSSES = ("data_loss", "penalty", "train_data_loss", "val_data_loss")


@dataclass(frozen=True)
class Diagnosis:
    """A verdict and its evidence."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    best_epoch: int | None
    """The epoch with the lowest `val_data_loss`."""
    gap: float | None
    """Validation data loss − training data loss, medians over the last judged epochs."""
    gap_share: float | None
    """gap / reference."""
    reference: float | None
    baseline: float | None
    level: float | None
    """Training data loss at the end / reference: 0 is perfect, 1 is a constant prediction."""
    improving: bool
    """Whether the training loss was still falling at the end by an amount that counts."""
    falling: bool
    """Whether it was still falling by more than its noise."""


def diagnose(
    rows: Sequence[EpochRow],
    *,
    loss_name: str,
    baseline: float | None = None,
    floor: float = 0.0,
    kept_epoch: int | None = None,
    stopped: str | None = None,
) -> Diagnosis:
    """Judge a run by its curves.

    - diverged: a loss is not finite, or ended GREW times above the baseline and its own minimum.
    - overfit: validation rose from its minimum by more than RISE and NOISES while the training
      loss kept falling; or the gap is large.
    - underfit: both losses are above HIGH of the reference, and the gap is not large.
    - good: none of these: well below the reference, with a small gap.
    - unclear: fewer than MIN_EPOCHS, no validation, or contradictory signs.

    The training loss is `train_data_loss` (inference mode) if every row has it, else `data_loss`,
    which is a mean over the epoch with dropout on and so makes the gap look smaller. `floor` is the
    loss of a perfect prediction, above 0 with label smoothing; the reference is baseline − floor.
    `kept_epoch` is the epoch whose weights are the result, if later ones ran: only the rows up to
    it are judged. `stopped` says why training ended before its last epoch, if it did.
    """
    judged = [row for row in rows if kept_epoch is None or row.epoch <= kept_epoch]
    run = _Run(judged, baseline, floor)
    verdict, evidence = _judge(rows, run, loss_name)
    best = _best_epoch(rows)
    return Diagnosis(
        verdict=verdict,
        evidence=(*evidence, *_remarks(rows, run, best, kept_epoch), *_ending(rows, stopped)),
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
        return self.training.trend

    def share(self, loss: float) -> float | None:
        """(loss − floor) / reference: 0 for a perfect prediction."""
        return _over(loss - self.floor, self.reference)

    @property
    def gap(self) -> float | None:
        if self.validation is None or not self.train:
            return None
        return self.validation.trend[-1] - self.train[-1]

    @property
    def last_quarter(self) -> int:
        """The index at which the last quarter of the trend starts."""
        count = len(self.train)
        return max(count - 1 - max(count // 4, self.training.window), 0)

    @property
    def falling(self) -> bool:
        if len(self.train) < MIN_EPOCHS:
            return False
        return self.train[self.last_quarter] - self.train[-1] > NOISES * self.training.noise

    @property
    def improving(self) -> bool:
        before = self.train[self.last_quarter] if self.train else 0.0
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
    evidence = tuple(item for item in (rose, fell, gap, *level, slope) if item is not None)
    large = gap.id == "large-gap"
    if large or (rose and fell):
        return Verdict.OVERFIT, evidence
    if rose:
        return Verdict.UNCLEAR, (*evidence, _contradiction(run))
    return _by_level(run), evidence


def _by_level(run: _Run) -> Verdict:
    """The verdict on a run with a small gap and no rise of validation."""
    if run.reference is None or run.validation is None:
        return Verdict.UNCLEAR
    # The lower of both: the training loss alone may be high if measured with dropout on.
    lower = (min(run.train[-1], run.validation.trend[-1]) - run.floor) / run.reference
    if run.baseline:
        return Verdict.UNDERFIT if lower > HIGH else Verdict.GOOD
    if lower <= HARDLY_FELL:
        return Verdict.GOOD
    # Without a baseline, a level loss may be learned or hopeless.
    return Verdict.UNDERFIT if run.improving else Verdict.UNCLEAR


def _divergence(rows: Sequence[EpochRow], run: _Run, loss_name: str) -> Iterator[Evidence]:
    broken = tuple(name for name in rows[-1].nonfinite if name in _LOSSES) if rows else ()
    if broken:
        message = f"{', '.join(broken)} became infinite or NaN in epoch {rows[-1].epoch}."
        yield _evidence("nonfinite", message, broken, rows[-1].epoch)
    if not run.epochs:
        return
    for curve in (run.own, run.total):
        end, first = curve.trend[-1], curve.values[0]
        if end >= first and end > GREW * max(run.baseline or 0.0, *[min(curve.trend)]) > 0:
            message = (
                f"{curve.name} ended at {end:.4g}, above its start of {first:.4g} and more than"
                f" {GREW:g} times its lowest value of {min(curve.trend):.4g}."
            )
            yield _evidence("loss-grew", message, (curve.name,), run.epochs[0], run.epochs[-1])
    # Not data_loss: class weights may make it many times larger.
    end, name = run.train[-1], run.training.name
    if loss_name in CROSSENTROPIES and run.baseline and end > HOPELESS * run.baseline:
        message = (
            f"{name} ended at {end:.4g}, {end / run.baseline:.0f} times the"
            f" {run.baseline:.4g} of always predicting the class shares."
        )
        yield _evidence("worse-than-guessing", message, (name,), run.epochs[-1])


def _rise(run: _Run, validation: Curve) -> Evidence | None:
    """Whether validation ended above its minimum, by more than noise."""
    place, least, end = validation.lowest_index, min(validation.trend), validation.trend[-1]
    floor = LEAST_CHANGE * (run.reference or 0.0)
    if end - least <= max(RISE * abs(least), floor, NOISES * validation.noise):
        return None
    message = (
        f"val_data_loss rose from its lowest value, {least:.4g} at epoch {run.epochs[place]}, to"
        f" {end:.4g} at the end (medians over {validation.window} epochs)."
    )
    return _evidence(
        "validation-rose", message, ("val_data_loss",), run.epochs[place], run.epochs[-1]
    )


def _fall(run: _Run, validation: Curve) -> Evidence | None:
    """Whether training kept improving after validation was lowest, or had nothing left to gain."""
    place = validation.lowest_index
    before, end, name = run.train[place], run.train[-1], run.training.name
    at = run.epochs[place], run.epochs[-1]
    if before - end > NOISES * run.training.noise and before > end:
        message = f"{name} kept falling, from {before:.4g} to {end:.4g} since epoch {at[0]}."
        return _evidence("training-fell-on", message, (name,), *at)
    if run.reference is not None and end - run.floor <= MEMORIZED * run.reference:
        message = f"{name} is {end:.4g}: the training rows are memorized."
        return _evidence("training-memorised", message, (name,), at[-1])
    return None


def _gap(run: _Run, validation: Curve) -> Evidence:
    held_out, train, name = validation.trend[-1], run.train[-1], run.training.name
    share = _over(held_out - train, run.reference)
    large = share is not None and share > LARGE_GAP
    relative = "" if share is None else f", {share:.0%} of the {_reference(run)}"
    message = (
        f"The gap is {held_out - train:.4g} (val_data_loss {held_out:.4g} − {name}"
        f" {train:.4g}){relative}."
    )
    identifier = "large-gap" if large else "small-gap"
    return _evidence(identifier, message, ("val_data_loss", name), run.epochs[-1])


def _level(run: _Run) -> Iterator[Evidence]:
    """The training loss relative to the reference."""
    if run.reference is None:
        return
    share = (run.train[-1] - run.floor) / run.reference
    high = share > (HIGH if run.baseline else HARDLY_FELL)
    message = f"{run.training.name} ended at {run.train[-1]:.4g}; {_comparison(run)}."
    identifier = "high-training-loss" if high else "low-training-loss"
    yield _evidence(identifier, message, (run.training.name,), run.epochs[-1])


def _comparison(run: _Run) -> str:
    """What a constant prediction gives, or the first epoch gave."""
    if not run.baseline:
        return f"the first epoch gave {run.reference:.4g}"
    perfect = f" and a perfect one {run.floor:.4g}, with label smoothing" if run.floor else ""
    return f"a constant prediction gives {run.baseline:.4g}{perfect}"


def _reference(run: _Run) -> str:
    if run.floor:
        return f"{run.reference:.4g} between a constant and a perfect prediction"
    whose = "a constant prediction" if run.baseline else "the first epoch"
    return f"{run.reference:.4g} of {whose}"


def _slope(run: _Run) -> Evidence:
    before, after = run.train[run.last_quarter], run.train[-1]
    since = run.epochs[run.last_quarter]
    name = run.training.name
    if run.improving:
        message = f"{name} was still falling: from {before:.4g} to {after:.4g} since epoch {since}."
        return _evidence("still-improving", message, (name,), since, run.epochs[-1])
    unchanged = f"{before:.4g}" == f"{after:.4g}"
    change = "has not changed" if unchanged else f"went from {before:.4g} to {after:.4g}"
    message = f"{name} {change} since epoch {since}" + ("." if unchanged else ": it leveled off.")
    return _evidence("plateau", message, (name,), since, run.epochs[-1])


def _remarks(
    rows: Sequence[EpochRow], run: _Run, best: int | None, kept_epoch: int | None
) -> Iterator[Evidence]:
    """What limits the evidence, or would otherwise surprise the user."""
    if run.epochs and run.training.name == "data_loss" and run.validation is not None:
        message = (
            "The training loss here is data_loss: a mean over the epoch, measured with dropout on."
            " In inference mode it would be lower and the gap larger."
        )
        yield _evidence("training-mode", message, ("data_loss",))
    if kept_epoch is not None and rows and kept_epoch < rows[-1].epoch:
        message = (
            f"The weights of epoch {kept_epoch} were kept; the {rows[-1].epoch - kept_epoch} epochs"
            " after it were discarded."
        )
        yield _evidence("restored", message, (), kept_epoch, rows[-1].epoch)
    elif best is not None and is_early(best, len(rows)):
        message = f"val_data_loss was lowest at epoch {best} of {rows[-1].epoch}."
        yield _evidence("best-epoch-early", message, ("val_data_loss",), best, rows[-1].epoch)


def _ending(rows: Sequence[EpochRow], stopped: str | None) -> Iterator[Evidence]:
    if stopped is not None:
        yield _evidence("stopped-early", stopped, (), rows[-1].epoch)


def is_early(best_epoch: int, epochs: int) -> bool:
    """Whether the best epoch came so long before the last that the rest was not worth training.

    That is a quarter of the epochs, and at least MIN_EPOCHS; less may be chance.
    """
    return epochs - best_epoch >= max(MIN_EPOCHS, epochs / 4)


def _best_epoch(rows: Sequence[EpochRow]) -> int | None:
    """The first epoch with the lowest `val_data_loss`."""
    measured = [(row.values.get("val_data_loss"), row.epoch) for row in rows]
    finite = [(value, epoch) for value, epoch in measured if value is not None]
    return min(finite)[1] if finite else None


def _too_few(run: _Run) -> Evidence:
    message = f"{len(run.epochs)} epochs were measured; a verdict needs at least {MIN_EPOCHS}."
    return _evidence("too-few-epochs", message, (), *run.epochs)


def _no_validation() -> Evidence:
    message = "No rows were held out for validation, so overfitting cannot be seen."
    return _evidence("no-validation", message, ())


def _contradiction(run: _Run) -> Evidence:
    message = (
        f"val_data_loss rose but {run.training.name} did not fall meanwhile, which is not"
        " overfitting; the learning rate may be too high."
    )
    series = ("val_data_loss", run.training.name)
    return _evidence("both-rose", message, series, run.epochs[-1])


def _evidence(identifier: str, message: str, series: tuple[str, ...], *epochs: int) -> Evidence:
    return Evidence(id=identifier, message=message, series=series, epochs=epochs)


def _curve(rows: Sequence[EpochRow], name: str) -> Curve:
    return Curve(name, [value for row in rows if (value := row.values.get(name)) is not None])


def _over(value: float | None, reference: float | None) -> float | None:
    """Value / reference; None without either, or if a float64 cannot hold it."""
    if value is None or reference is None or not math.isfinite(value / reference):
        return None
    return value / reference
