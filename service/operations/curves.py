"""The loss curves of a job: thinned out, and as CSV."""

import csv
import io
from collections.abc import Sequence

from ridgeline.contract.curves import Curves, EpochRow, columns
from ridgeline.storage import JobRecord, JobStore

MIN_POINTS = 2
MAX_POINTS = 10_000


def curves(jobs: JobStore, record: JobRecord, max_points: int | None) -> Curves:
    """The curves of the job, at most `max_points` epochs of them.

    `record` was read first: if it says that the job has ended, no epoch is missing here.
    """
    rows = thinned(jobs.epochs(record.id), max_points)
    return columns(record.id, rows, complete=record.status.terminal)


def thinned(rows: list[EpochRow], max_points: int | None) -> list[EpochRow]:
    """At most `max_points` rows: the first, the last, and where a series is extreme in its bucket.

    A mean would hide the spikes that matter, and every n-th row may miss them.
    """
    if max_points is None or len(rows) <= max_points:
        return rows
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    # Where not even one bucket has room for the extremes of all series, those of the loss are kept.
    for series in (names, names[:1]):
        buckets = (max_points - MIN_POINTS) // 2
        while buckets > 0:
            kept = {0, len(rows) - 1} | _extremes(rows, series, buckets)
            if len(kept) <= max_points:
                return [rows[index] for index in sorted(kept)]
            buckets = min(buckets - 1, buckets * max_points // len(kept))
    return [rows[0], rows[-1]]


def to_csv(found: Curves) -> str:
    """One line an epoch; a value that was not finite is empty, and named in the last column."""
    out = io.StringIO()
    writer = csv.writer(out)  # RFC 4180: CRLF
    table = {**found.series, **found.penalty_by_layer}
    writer.writerow(["epoch", *table, "nonfinite"])
    for index, epoch in enumerate(found.epoch):
        marks = [name for name, epochs in found.nonfinite.items() if epoch in epochs]
        writer.writerow([epoch, *(values[index] for values in table.values()), " ".join(marks)])
    return out.getvalue()


def _extremes(rows: Sequence[EpochRow], series: Sequence[str], buckets: int) -> set[int]:
    """Where each of the series is least and greatest in each of the buckets."""
    found: set[int] = set()
    for number in range(buckets):
        bucket = range(number * len(rows) // buckets, (number + 1) * len(rows) // buckets)
        for name in series:
            values = [(value, i) for i in bucket if (value := rows[i].values.get(name)) is not None]
            if values:
                found |= {min(values)[1], max(values)[1]}
    return found
