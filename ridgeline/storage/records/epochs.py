"""The rows of a job's epochs: written by one attempt, over what earlier ones have measured."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.curves import EpochRow
from ridgeline.storage.records.account import account_of, epoch_bucket
from ridgeline.storage.records.summaries import summarize
from ridgeline.storage.records.transitions import add_event
from ridgeline.storage.records.values import EventType, Tally
from ridgeline.storage.tables import epochs


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
