"""What charts show of curves: pairs of series, the best epoch, values that are not finite."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ridgeline.api.curves import Curves

Column = Sequence[float | None]

FEW = 30
"""Up to this many epochs, each is marked by a point."""
_NARROWEST = 0.008
"""The smallest width of a mark, as a share of the axis: one epoch of thousands must be visible."""

#: Losses on training and validation rows; the first pair that exists is shown. Preferred: without
#: the penalty, both in inference mode.
_LOSSES = (
    ("train_data_loss", "val_data_loss"),
    ("data_loss", "val_data_loss"),
    ("loss", "val_loss"),
    ("train_data_loss", None),
    ("data_loss", None),
    ("loss", None),
)


class Pair(NamedTuple):
    """The series of a quantity on training and on validation rows; either may be missing."""

    training: str | None
    validation: str | None

    @property
    def both(self) -> tuple[str, str] | None:
        """Both series, if there are two."""
        return (
            None
            if self.training is None or self.validation is None
            else (self.training, self.validation)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The series that exist."""
        return tuple(name for name in self if name is not None)


class EpochSpan(NamedTuple):
    """Consecutive epochs in which a series was not finite."""

    start: float
    end: float
    what: str
    """The series, and the first and the last epoch."""
    first: int
    last: int
    """The first and the last epoch."""


def losses(curves: Curves) -> Pair:
    """The pair of losses to compare; empty if no epoch has a loss."""
    for training, validation in _LOSSES:
        if _has(curves, training) and (validation is None or _has(curves, validation)):
            return Pair(training, validation)
    return Pair(None, None)


def metric(curves: Curves, name: str) -> Pair:
    """A metric's pair; on the training rows in inference mode, if so measured."""
    inference, validation = f"train_{name}", f"val_{name}"
    training = inference if _has(curves, inference) else name if _has(curves, name) else None
    return Pair(training, validation if _has(curves, validation) else None)


def best_epoch(curves: Curves) -> int | None:
    """The first epoch with the lowest `val_data_loss`."""
    column = curves.series.get("val_data_loss", ())
    finite = [(v, epoch) for v, epoch in zip(column, curves.epoch, strict=False) if v is not None]
    return min(finite)[1] if finite else None


def ends(epochs: Sequence[int]) -> tuple[float, float]:
    """The ends of the axis of epochs; a single epoch is in its middle."""
    if not epochs:
        return 0, 1
    first, last = epochs[0], epochs[-1]
    return (first, last) if first < last else (first - 1, first + 1)


def nonfinite_spans(curves: Curves, names: Iterable[str]) -> list[EpochSpan]:
    """The spans of epochs in which any of the series was NaN or infinite."""
    marked = {name: set(curves.nonfinite.get(name, ())) for name in names}
    first, last = ends(curves.epoch)
    least = (last - first) * _NARROWEST
    return [
        EpochSpan(
            max(first, min(run[0] - 0.5, last - least)),
            min(last, max(run[-1] + 0.5, run[0] - 0.5 + least)),
            _description(run, marked),
            run[0],
            run[-1],
        )
        for run in _runs(curves.epoch, set().union(*marked.values()))
    ]


def isolated(values: Column, *, few: bool) -> Iterator[int]:
    """The indices to mark by a point: all of a few, else those without neighbors."""
    for index, value in enumerate(values):
        beside = (*values[max(index - 1, 0) : index], *values[index + 1 : index + 2])
        if value is not None and (few or all(neighbor is None for neighbor in beside)):
            yield index


def last(values: Column) -> float | None:
    """The last value that is not None."""
    return next((value for value in reversed(values) if value is not None), None)


def _has(curves: Curves, name: str | None) -> bool:
    """Whether the series was measured, even as NaN."""
    if name is None:
        return False
    return bool(curves.nonfinite.get(name)) or any(
        v is not None for v in curves.series.get(name, ())
    )


def _runs(epochs: Sequence[int], marked: set[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for epoch in epochs:
        if epoch in marked:
            run.append(epoch)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _description(run: Sequence[int], marked: dict[str, set[int]]) -> str:
    names = ", ".join(name for name, epochs in marked.items() if epochs & set(run))
    return f"{names}: epoch {run[0]}" if len(run) == 1 else f"{names}: epochs {run[0]} to {run[-1]}"
