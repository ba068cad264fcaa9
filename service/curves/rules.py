"""The loss curves of a job: put together in columns, thinned out, as JSON, CSV and lines.

The rows of a long job as objects would take hundreds of megabytes; as columns of numbers they take
eight bytes a value. A test holds the JSON against the contract's own model.
"""

import csv
import io
import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ridgeline.storage import JobStore

MAX_POINTS = 10_000

Columns = dict[str, "array[float]"]


@dataclass(frozen=True)
class Table:
    """Curves as columns; NaN stands where the contract has null."""

    epoch: "array[int]" = field(default_factory=lambda: array("q"))
    series: Columns = field(default_factory=dict)
    penalty_by_layer: Columns = field(default_factory=dict)
    nonfinite: dict[str, list[int]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add an epoch, given as a parsed EpochRow."""
        count = len(self.epoch)
        _append(self.series, row["values"], count)
        _append(self.penalty_by_layer, row["penalty_by_layer"], count)
        for name in row["nonfinite"]:
            self.nonfinite.setdefault(name, []).append(row["epoch"])
        self.epoch.append(row["epoch"])


def curves(jobs: JobStore, job_id: str, max_points: int | None) -> Table:
    """The curves of the job, at most `max_points` epochs of them."""
    return table_of(text for page in _pages(jobs, job_id, max_points) for text in page)


def lines(jobs: JobStore, job_id: str, max_points: int | None) -> Iterator[str]:
    """The epochs of the curves as lines of JSON, some of them at a time."""
    for page in _pages(jobs, job_id, max_points):
        yield "".join(f"{text}\n" for text in page)


def table_of(texts: Iterable[str]) -> Table:
    """The columns of epochs that come as the JSON of EpochRow."""
    table = Table()
    for text in texts:
        table.add(json.loads(text))
    return table


def to_json(table: Table, job_id: str, *, complete: bool) -> bytes:
    """The contract's Curves."""
    members = (
        ("job_id", json.dumps(job_id)),
        ("complete", json.dumps(complete)),
        ("epoch", _list(map(str, table.epoch))),
        ("series", _columns_json(table.series)),
        ("penalty_by_layer", _columns_json(table.penalty_by_layer)),
        ("nonfinite", _object((name, _list(map(str, e))) for name, e in table.nonfinite.items())),
    )
    return _object(members).encode()


def to_csv(table: Table) -> str:
    """One line an epoch; a value that was not finite is empty, and named in the last column."""
    out = io.StringIO()
    writer = csv.writer(out)  # RFC 4180: CRLF
    columns = {**table.series, **table.penalty_by_layer}
    writer.writerow(["epoch", *columns, "nonfinite"])
    marked = {name: set(epochs) for name, epochs in table.nonfinite.items()}
    for index, epoch in enumerate(table.epoch):
        values = [column[index] for column in columns.values()]
        marks = [name for name, epochs in marked.items() if epoch in epochs]
        cells = ["" if math.isnan(value) else value for value in values]
        writer.writerow([epoch, *cells, " ".join(marks)])
    return out.getvalue()


def _pages(jobs: JobStore, job_id: str, max_points: int | None) -> Iterator[list[str]]:
    if max_points is None:
        return jobs.epoch_pages(job_id)
    return iter([jobs.thinned_epochs(job_id, max_points)])


def _append(columns: Columns, values: Mapping[str, float | None], count: int) -> None:
    """Add one value to each of the columns, all of which have `count`."""
    for name, value in values.items():
        column = columns.get(name)
        if column is None:
            column = columns[name] = array("d", [math.nan]) * count
        column.append(math.nan if value is None else value)
    if len(values) < len(columns):
        for column in columns.values():
            if len(column) == count:
                column.append(math.nan)


def _columns_json(columns: Columns) -> str:
    return _object(
        (name, _list("null" if math.isnan(value) else repr(value) for value in column))
        for name, column in columns.items()
    )


def _list(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"


def _object(members: Iterable[tuple[str, str]]) -> str:
    """A JSON object of values that are JSON already."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"
