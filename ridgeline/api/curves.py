"""The loss curves of a job.

The charts of a job, by name.
"""

from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.schema import Contract

ChartName = Literal["losses", "accuracy", "penalty", "weights", "learning_rate"]


Theme = Literal["light", "dark"]


class EpochRow(Contract):
    """What one epoch measured.

    `values` holds `loss`, `data_loss`, `penalty`, the metrics, `learning_rate`, and the same
    with `val_` for the validation rows; loss = data_loss + penalty. A value that was not finite is
    null and its name stands in `nonfinite`.
    """

    epoch: Annotated[int, Field(ge=1)]
    values: dict[str, float | None]
    penalty_by_layer: dict[str, float | None]
    """The penalty apart, by `layer/weight/kind`, such as `dense/kernel/l2`."""
    nonfinite: tuple[str, ...] = ()
    seconds: float
    """Wall-clock seconds the epoch took, validation included."""


class Curves(Contract):
    """The curves as columns: one entry per epoch in every list."""

    job_id: str
    complete: bool
    """Whether the job has ended, so no epoch will be added."""
    epoch: tuple[int, ...]
    series: dict[str, tuple[float | None, ...]]
    penalty_by_layer: dict[str, tuple[float | None, ...]]
    nonfinite: dict[str, tuple[int, ...]]
    """Epochs at which a series was NaN or infinite (null in its column)."""

    def to_dict(self) -> dict[str, tuple[float | None, ...]]:
        """All columns by name, as `pandas.DataFrame` takes them.

        They are `epoch`, the series, and the penalty of each layer as `penalty/dense/kernel/l2`.
        """
        layers = {f"penalty/{name}": column for name, column in self.penalty_by_layer.items()}
        return {"epoch": self.epoch, **self.series, **layers}


def columns(job_id: str, rows: list[EpochRow], *, complete: bool) -> Curves:
    """Turn epoch rows into columns; a series missing in a row is null there."""
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


class ChartEntry(Contract):
    """A chart of a job, and where it is."""

    name: ChartName
    title: str
    href: str
    """Its path: Vega-Lite, SVG or PNG by Accept."""
    available: bool
    """Whether there is something to draw yet; until then the chart says why there is not."""
