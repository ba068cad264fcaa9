"""Thinning of long curves: the epochs worth showing are those where any of the series is extreme.

A mean would hide spikes, and every n-th epoch may miss them. A curve is read in blocks of epochs;
the extremes of each series in a block suffice. For long jobs they are stored as summaries, so a
curve can be thinned without reading all of it.

A summary is written in the transaction that completes its block, and a trigger deletes it with any
of its epochs, so a stored summary is always valid. Where there is none (jobs of an earlier release,
the newest epochs), the epochs themselves are read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select
from sqlalchemy.engine import Connection

from ridgeline.api.curves import EpochRow
from ridgeline.storage.tables import epoch_summaries, epochs

MIN_POINTS = 2
"""The least points of a curve with several epochs: its first and its last."""
SIZES = (64, 512)
"""How many epochs a summary covers; larger ones are merged from smaller ones. The triggers that the
migrations create use these sizes too."""
_READ_ALL = 2048
"""Curves up to this length are read whole, which takes about 20 ms."""
_BLOCKS_PER_POINT = 0.25
"""Blocks read for each point requested: several series share a block."""
_PAGE = 2000

Values = Mapping[str, float | None]


class Extremes(NamedTuple):
    """The least and the greatest value of a series in a block, and the epochs that have them."""

    least: float
    least_at: int
    greatest: float
    greatest_at: int


class Block(NamedTuple):
    """The extremes of some successive epochs; a series without a finite value is missing."""

    last: int
    """The last of its epochs."""
    extremes: Mapping[str, Extremes]


def thinned_rows(connection: Connection, job_id: str, max_points: int) -> list[str]:
    """The JSON of at most `max_points` of the job's epochs: those where its series are extreme."""
    first, last = (connection.execute(_end(job_id, end)).scalar() for end in (func.min, func.max))
    if first is None or last is None:
        return []
    if last - first < max_points:
        return [text for _, text in _rows(connection, job_id, first, last)]
    blocks = list(_blocks(connection, job_id, first, last, max_points))
    kept = chosen(blocks, first, last, max_points)
    statement = (
        select(epochs.c.row)
        .where(epochs.c.job_id == job_id, epochs.c.epoch.in_(kept))
        .order_by(epochs.c.epoch)
    )
    return list(connection.execute(statement).scalars())


def summarize(connection: Connection, job_id: str, fresh: Sequence[EpochRow]) -> None:
    """Write the summaries of the blocks that the stored epochs `fresh` complete."""
    numbers = [row.epoch for row in fresh]
    known = {row.epoch: row.values for row in fresh}
    for size in SIZES:
        ends = _multiples(size, min(numbers), max(numbers))
        blocks = [
            (end, block)
            for end in ends
            if (block := _completed(connection, job_id, size, end, known)) is not None
        ]
        if blocks:
            connection.execute(
                insert(epoch_summaries),
                [
                    {"job_id": job_id, "size": size, "last": end, "summary": _dump(block)}
                    for end, block in blocks
                ],
            )


def block_of(rows: Iterable[tuple[int, Mapping[str, float | None]]]) -> Block:
    """The block of these rows: epochs with their values by series."""
    series: dict[str, list[tuple[float, int]]] = {}
    last = 0
    for epoch, values in rows:
        last = epoch
        for name, value in values.items():
            if value is not None:
                series.setdefault(name, []).append((value, epoch))
    return Block(last, {name: _extremes(points) for name, points in series.items()})


def merged(blocks: Sequence[Block]) -> Block:
    """One block for several successive ones."""
    extremes: dict[str, Extremes] = {}
    for block in blocks:
        for name, other in block.extremes.items():
            known = extremes.get(name)
            extremes[name] = other if known is None else _wider(known, other)
    return Block(blocks[-1].last, extremes)


def chosen(blocks: Sequence[Block], first: int, last: int, max_points: int) -> list[int]:
    """At most `max_points` epochs: `first`, `last`, and where a series is extreme in a bucket.

    The buckets are parts of the curve of equal length, as many as fit.
    """
    names = list(dict.fromkeys(name for block in blocks for name in block.extremes))
    # If the extremes of all series do not fit even for one bucket, only those of the loss are kept.
    for series in (names, names[:1]):
        buckets = min((max_points - MIN_POINTS) // 2, len(blocks))
        while buckets > 0:
            kept = {first, last} | _extreme(_in_buckets(blocks, first, last, buckets), series)
            if len(kept) <= max_points:
                return sorted(kept)
            buckets = min(buckets - 1, buckets * max_points // len(kept))
    return sorted({first, last})


def _extremes(points: Sequence[tuple[float, int]]) -> Extremes:
    return Extremes(*min(points), *max(points, key=itemgetter(0)))


def _wider(one: Extremes, other: Extremes) -> Extremes:
    """The extremes of both; of two equal ones the earlier wins."""
    least, greatest = one, one
    if other.least < one.least:
        least = other
    if other.greatest > one.greatest:
        greatest = other
    return Extremes(least.least, least.least_at, greatest.greatest, greatest.greatest_at)


def _in_buckets(blocks: Sequence[Block], first: int, last: int, buckets: int) -> list[Block]:
    parts: dict[int, list[Block]] = {}
    for block in blocks:
        parts.setdefault((block.last - first) * buckets // (last - first + 1), []).append(block)
    return [merged(part) for part in parts.values()]


def _extreme(blocks: Iterable[Block], series: Iterable[str]) -> set[int]:
    """The epochs where any of the series is extreme in any of the blocks."""
    extremes = [
        block.extremes[name] for name in series for block in blocks if name in block.extremes
    ]
    return {one.least_at for one in extremes} | {one.greatest_at for one in extremes}


def _multiples(size: int, first: int, last: int) -> range:
    return range(-(-first // size) * size, last + 1, size)


def _completed(
    connection: Connection, job_id: str, size: int, end: int, known: Mapping[int, Values]
) -> Block | None:
    """The block of `size` epochs up to `end`; None if one of them is missing."""
    start = end - size + 1
    if size == SIZES[0]:
        values = {epoch: known[epoch] for epoch in range(start, end + 1) if epoch in known}
        if start not in values:
            earlier = _rows(connection, job_id, start, min(values, default=end + 1) - 1)
            values = {epoch: json.loads(text)["values"] for epoch, text in earlier} | values
        return block_of(sorted(values.items())) if len(values) == size else None
    smaller = SIZES[SIZES.index(size) - 1]
    parts = _summaries(connection, job_id, smaller, start, end)
    return merged(parts) if len(parts) == size // smaller else None


def _blocks(
    connection: Connection, job_id: str, first: int, last: int, max_points: int
) -> Iterator[Block]:
    """The curve in blocks, read from as few rows as its length allows."""
    sizes: Sequence[int] = ()
    if last - first >= _READ_ALL:
        enough = max_points * _BLOCKS_PER_POINT
        coarse = [size for size in SIZES if (last - first) / size >= enough]
        sizes = SIZES[: max(1, len(coarse))]
    yield from _covering(connection, job_id, first, last, sizes, (last - first) // max_points)


def _covering(
    connection: Connection, job_id: str, first: int, last: int, sizes: Sequence[int], width: int
) -> Iterator[Block]:
    """Blocks of the largest of `sizes`, else of smaller ones, else made from the epochs."""
    if not sizes:
        rows = _rows(connection, job_id, first, last)
        parsed = ((epoch, json.loads(text)["values"]) for epoch, text in rows)
        step = max(1, width // 2)
        yield from (block_of(part) for _, part in groupby(parsed, lambda row: row[0] // step))
        return
    size, finer = sizes[-1], sizes[:-1]
    begin = first
    for block in _summaries(connection, job_id, size, first, last):
        start = block.last - size + 1
        if start > begin:
            yield from _covering(connection, job_id, begin, start - 1, finer, width)
        yield block
        begin = block.last + 1
    if begin <= last:
        yield from _covering(connection, job_id, begin, last, finer, width)


def _summaries(
    connection: Connection, job_id: str, size: int, first: int, last: int
) -> list[Block]:
    """The summaries of the blocks of `size` within these epochs, in order."""
    table = epoch_summaries
    statement = (
        select(table.c.last, table.c.summary)
        .where(table.c.job_id == job_id, table.c.size == size)
        .where(table.c.last.between(first + size - 1, last))
        .order_by(table.c.last)
    )
    return [_load(last, summary) for last, summary in connection.execute(statement)]


def _rows(connection: Connection, job_id: str, first: int, last: int) -> Iterator[tuple[int, str]]:
    """The stored rows of these epochs, in order, read a page at a time."""
    while first <= last:
        statement = (
            select(epochs.c.epoch, epochs.c.row)
            .where(epochs.c.job_id == job_id, epochs.c.epoch.between(first, last))
            .order_by(epochs.c.epoch)
            .limit(_PAGE)
        )
        page = connection.execute(statement).all()
        yield from page
        if len(page) < _PAGE:
            return
        first = page[-1][0] + 1


def _end(job_id: str, end: Any) -> Any:
    return select(end(epochs.c.epoch)).where(epochs.c.job_id == job_id)


def _dump(block: Block) -> str:
    return json.dumps(block.extremes, separators=(",", ":"), allow_nan=False)


def _load(last: int, summary: str) -> Block:
    extremes: dict[str, list[Any]] = json.loads(summary)
    return Block(last, {name: Extremes(*values) for name, values in extremes.items()})
