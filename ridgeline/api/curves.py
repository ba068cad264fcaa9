"""The curves of a job, epoch by epoch, and the charts that draw them."""

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal, Protocol, TextIO

from pydantic import Field

from ridgeline.spec.schema import Contract

ChartName = Literal["losses", "accuracy", "penalty", "weights", "learning_rate"]
Theme = Literal["light", "dark"]


class EpochRow(Contract):
    """The measurements of one epoch.

    `values` holds `loss`, `data_loss`, `penalty`, the metrics and `learning_rate`, and with the
    prefix `val_` those of the validation rows; loss = data_loss + penalty. A value that is not
    finite is null, and its name is listed in `nonfinite`.
    """

    epoch: Annotated[int, Field(ge=1)]
    values: dict[str, float | None]
    penalty_by_layer: dict[str, float | None]
    """The parts of the penalty, by `layer/weight/kind`, such as `dense/kernel/l2`."""
    nonfinite: tuple[str, ...] = ()
    seconds: float
    """Duration of the epoch in seconds, validation included."""


class Curves(Contract):
    """The curves as columns: every list has one entry per epoch."""

    job_id: str
    complete: bool
    """Whether the job has ended; no epoch will be added."""
    epoch: tuple[int, ...]
    series: dict[str, tuple[float | None, ...]]
    penalty_by_layer: dict[str, tuple[float | None, ...]]
    nonfinite: dict[str, tuple[int, ...]]
    """Epochs at which a series was NaN or infinite (null in its column)."""

    def to_dict(self) -> dict[str, tuple[float | None, ...]]:
        """All columns by name, ready for `pandas.DataFrame`.

        They are `epoch`, the series, and each layer's penalty as `penalty/dense/kernel/l2`.
        """
        layers = {f"penalty/{name}": column for name, column in self.penalty_by_layer.items()}
        return {"epoch": self.epoch, **self.series, **layers}


class ChartEntry(Contract):
    """A chart of a job and its address."""

    name: ChartName
    title: str
    href: str
    """Path of the chart: Vega-Lite, SVG or PNG, by the Accept header."""
    available: bool
    """Whether there is data to draw; until then the chart says why not."""


class CurveColumns(Protocol):
    """Curves as columns: the API's Curves, or the service's table of numbers."""

    @property
    def epoch(self) -> Sequence[int]:
        """The numbers of the epochs."""

    @property
    def series(self) -> Mapping[str, Sequence[float | None]]:
        """Losses, metrics and learning rate, by name."""

    @property
    def penalty_by_layer(self) -> Mapping[str, Sequence[float | None]]:
        """Penalties, by `layer/weight/kind`."""

    @property
    def nonfinite(self) -> Mapping[str, Collection[int]]:
        """Epochs at which a series was not finite, by its name."""


def write_csv(curves: CurveColumns, file: TextIO, *, line_end: str = "\n") -> None:
    """Write a header and one line per epoch.

    A value that was not finite is empty, and its series is named in the last column.
    """
    writer = csv.writer(file, lineterminator=line_end)
    columns = {**curves.series, **curves.penalty_by_layer}
    marked = {name: set(epochs) for name, epochs in curves.nonfinite.items()}
    writer.writerow(["epoch", *columns, "nonfinite"])
    for index, epoch in enumerate(curves.epoch):
        values = [column[index] for column in columns.values()]
        marks = [name for name, epochs in marked.items() if epoch in epochs]
        cells = ["" if value is None or math.isnan(value) else value for value in values]
        writer.writerow([epoch, *cells, " ".join(marks)])


def columns(job_id: str, rows: list[EpochRow], *, complete: bool) -> Curves:
    """The curves of `rows`; a series that a row lacks is null there."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    terms = list(dict.fromkeys(name for row in rows for name in row.penalty_by_layer))
    marked = dict.fromkeys(name for row in rows for name in row.nonfinite)
    return Curves(
        job_id=job_id,
        complete=complete,
        epoch=tuple(row.epoch for row in rows),
        series={name: tuple(row.values.get(name) for row in rows) for name in names},
        penalty_by_layer={
            name: tuple(row.penalty_by_layer.get(name) for row in rows) for name in terms
        },
        nonfinite={
            name: tuple(row.epoch for row in rows if name in row.nonfinite) for name in marked
        },
    )
