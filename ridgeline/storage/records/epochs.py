"""The rows of a job's epochs: written by one attempt, over what earlier ones have measured.

Summaries of a long job's epochs, so that its curve can be thinned out without reading it all.

A summary tells the extremes of a block of epochs. It is written in the transaction that completes
the block, and a trigger removes it with any of its epochs, so one that is there is right. Where
there is none (jobs of an earlier release, the newest epochs), the epochs are read.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import and_, delete, func, insert, select
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.curves import EpochRow
from ridgeline.storage.records.account import account_of, epoch_bucket
from ridgeline.storage.records.thinning import Block, Extremes, block_of, chosen, merged
from ridgeline.storage.records.transitions import add_event
from ridgeline.storage.records.values import EventType, Tally
from ridgeline.storage.tables import epoch_summaries, epochs

SIZES = (64, 512)
"""How many epochs a summary stands for; a larger one comes of smaller ones. The triggers, which the
migrations make, know the sizes too."""


_READ_ALL = 2048
"""Curves up to this length are read whole, which takes some 20 ms."""


_BLOCKS_A_POINT = 0.25
"""How many blocks are looked at for each point that is asked for: several series share a block."""


_PAGE = 2000


Values = Mapping[str, float | None]


def replace_epochs(
    connection: Connection, held: RowMapping, rows: Sequence[EpochRow], until: int
) -> None:
    """Store what an attempt goes on from: rows up to the epoch `until`, behind which none stays.

    Rows that are there already stand, and are not told again.
    """
    texts = {row.epoch: row.model_dump_json() for row in rows}
    known = select(epochs.c.epoch, epochs.c.row).where(_among(held["id"], texts))
    same = {row.epoch for row in connection.execute(known) if row.row == texts[row.epoch]}
    fresh = [row for row in rows if row.epoch not in same]
    among = _among(held["id"], [row.epoch for row in fresh])
    connection.execute(delete(epochs).where(among))
    _remove_earlier(connection, held, after=until)
    _insert_epochs(connection, held, fresh)


def store_epochs(connection: Connection, held: RowMapping, rows: Sequence[EpochRow]) -> None:
    """Store the epochs that this attempt has not reported before, each with its event."""
    among = _among(held["id"], [row.epoch for row in rows])
    known = select(epochs.c.epoch).where(among, epochs.c.attempt == held["attempt"])
    seen = set(connection.execute(known).scalars())
    fresh = [row for row in rows if row.epoch not in seen]
    if fresh:
        _remove_earlier(connection, held, after=min(row.epoch for row in fresh) - 1)
        _insert_epochs(connection, held, fresh)


def _among(job_id: str, numbers: Collection[int]) -> ColumnElement[bool]:
    return and_(epochs.c.job_id == job_id, epochs.c.epoch.in_(numbers))


def _remove_earlier(connection: Connection, held: RowMapping, after: int) -> None:
    """Remove what earlier attempts have measured behind the epoch `after`."""
    among = (epochs.c.job_id == held["id"], epochs.c.epoch > after)
    connection.execute(delete(epochs).where(*among, epochs.c.attempt != held["attempt"]))


def _insert_epochs(connection: Connection, held: RowMapping, rows: Sequence[EpochRow]) -> None:
    """Store epochs that are not there, each with its event, and count them."""
    texts = {row.epoch: row.model_dump_json() for row in rows}
    if not texts:
        return
    common = {"job_id": held["id"], "attempt": held["attempt"]}
    values = [{**common, "epoch": epoch, "row": text} for epoch, text in texts.items()]
    connection.execute(insert(epochs), values)
    summarize(connection, held["id"], rows)
    add_event(connection, held, EventType.EPOCH, *texts.values())
    account = account_of(connection)
    for seconds in {row.epoch: row.seconds for row in rows}.values():
        account.count(Tally.EPOCH_SECONDS, epoch_bucket(seconds))
        account.count(Tally.EPOCH_SECONDS_SUM, by=max(0.0, seconds))


def summarize(connection: Connection, job_id: str, fresh: Sequence[EpochRow]) -> None:
    """Write the summaries of the blocks that the epochs `fresh`, which are stored, complete."""
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


def thinned_rows(connection: Connection, job_id: str, max_points: int) -> list[str]:
    """The JSON of at most `max_points` of the job's epochs, those where its series are extreme."""
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
            found = _rows(connection, job_id, start, min(values, default=end + 1) - 1)
            values = {epoch: json.loads(text)["values"] for epoch, text in found} | values
        return block_of(sorted(values.items())) if len(values) == size else None
    smaller = SIZES[SIZES.index(size) - 1]
    parts = _summaries(connection, job_id, smaller, start, end)
    return merged(parts) if len(parts) == size // smaller else None


def _blocks(
    connection: Connection, job_id: str, first: int, last: int, max_points: int
) -> Iterator[Block]:
    """The curve in blocks, from as few rows as its length allows."""
    sizes: Sequence[int] = ()
    if last - first >= _READ_ALL:
        enough = max_points * _BLOCKS_A_POINT
        coarse = [size for size in SIZES if (last - first) / size >= enough]
        sizes = SIZES[: max(1, len(coarse))]
    yield from _covering(connection, job_id, first, last, sizes, (last - first) // max_points)


def _covering(
    connection: Connection, job_id: str, first: int, last: int, sizes: Sequence[int], width: int
) -> Iterator[Block]:
    """Blocks of the largest of `sizes`, smaller ones where they are missing, else of the epochs."""
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
    """The summaries of blocks of `size` that lie within these epochs, in order."""
    table = epoch_summaries
    statement = (
        select(table.c.last, table.c.summary)
        .where(table.c.job_id == job_id, table.c.size == size)
        .where(table.c.last.between(first + size - 1, last))
        .order_by(table.c.last)
    )
    return [_load(row.last, row.summary) for row in connection.execute(statement)]


def _rows(connection: Connection, job_id: str, first: int, last: int) -> Iterator[tuple[int, str]]:
    """The stored rows of these epochs, in order, without holding many."""
    while first <= last:
        statement = (
            select(epochs.c.epoch, epochs.c.row)
            .where(epochs.c.job_id == job_id, epochs.c.epoch.between(first, last))
            .order_by(epochs.c.epoch)
            .limit(_PAGE)
        )
        found = connection.execute(statement).all()
        yield from ((row.epoch, row.row) for row in found)
        if len(found) < _PAGE:
            return
        first = found[-1].epoch + 1


def _end(job_id: str, end: Any) -> Any:
    return select(end(epochs.c.epoch)).where(epochs.c.job_id == job_id)


def _dump(block: Block) -> str:
    return json.dumps(block.extremes, separators=(",", ":"), allow_nan=False)


def _load(last: int, summary: str) -> Block:
    found: Iterable[tuple[str, list[Any]]] = json.loads(summary).items()
    return Block(last, {name: Extremes(*values) for name, values in found})
