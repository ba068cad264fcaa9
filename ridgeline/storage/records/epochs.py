"""Epochs of jobs: stored by the attempt that measured them, replacing those of earlier attempts."""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.curves import EpochRow
from ridgeline.storage.columns import AT_ONCE
from ridgeline.storage.database import Database
from ridgeline.storage.records.account import account_of, epoch_bucket
from ridgeline.storage.records.status_changes import add_event
from ridgeline.storage.records.thinning import summarize
from ridgeline.storage.records.values import EventType, LockedJob, Tally
from ridgeline.storage.tables import epochs


def replace_epochs(
    connection: Connection, job: LockedJob, rows: Sequence[EpochRow], until: int
) -> None:
    """Store the rows up to the epoch `until` that an attempt resumes from; remove those after it.

    Rows that are stored already stay and emit no second event.
    """
    texts = {row.epoch: row.model_dump_json() for row in rows}
    known = select(epochs.c.epoch, epochs.c.row).where(_among(job.id, texts))
    same = {row.epoch for row in connection.execute(known) if row.row == texts[row.epoch]}
    fresh = [row for row in rows if row.epoch not in same]
    among = _among(job.id, [row.epoch for row in fresh])
    connection.execute(delete(epochs).where(among))
    _remove_earlier(connection, job, after=until)
    _insert_epochs(connection, job, fresh)


def store_epochs(connection: Connection, job: LockedJob, rows: Sequence[EpochRow]) -> None:
    """Store the epochs that this attempt has not reported before, each with an event."""
    among = _among(job.id, [row.epoch for row in rows])
    known = select(epochs.c.epoch).where(among, epochs.c.attempt == job.attempt)
    seen = set(connection.execute(known).scalars())
    fresh = [row for row in rows if row.epoch not in seen]
    if fresh:
        _remove_earlier(connection, job, after=min(row.epoch for row in fresh) - 1)
        _insert_epochs(connection, job, fresh)


def _among(job_id: str, numbers: Collection[int]) -> ColumnElement[bool]:
    return and_(epochs.c.job_id == job_id, epochs.c.epoch.in_(numbers))


def _remove_earlier(connection: Connection, job: LockedJob, after: int) -> None:
    """Remove the epochs of earlier attempts after the epoch `after`."""
    among = (epochs.c.job_id == job.id, epochs.c.epoch > after)
    connection.execute(delete(epochs).where(*among, epochs.c.attempt != job.attempt))


def _insert_epochs(connection: Connection, job: LockedJob, rows: Sequence[EpochRow]) -> None:
    """Insert epochs, each with an event, and count them."""
    texts = {row.epoch: row.model_dump_json() for row in rows}
    if not texts:
        return
    common = {"job_id": job.id, "attempt": job.attempt}
    values = [{**common, "epoch": epoch, "row": text} for epoch, text in texts.items()]
    connection.execute(insert(epochs), values)
    summarize(connection, job.id, rows)
    add_event(connection, job, EventType.EPOCH, *texts.values())
    account = account_of(connection)
    for seconds in {row.epoch: row.seconds for row in rows}.values():
        account.count(Tally.EPOCH_SECONDS, epoch_bucket(seconds))
        account.count(Tally.EPOCH_SECONDS_SUM, by=max(0.0, seconds))


def epoch_pages(database: Database, job_id: str, size: int) -> Iterator[list[str]]:
    """The job's epochs as the JSON of EpochRow, in order, up to `size` at a time.

    Each page has a connection of its own. The pages end early if a new attempt removes rows that
    were read.
    """
    columns = (epochs.c.epoch, epochs.c.attempt, epochs.c.row)
    ordered = select(*columns).where(epochs.c.job_id == job_id).order_by(epochs.c.epoch)
    # Each page begins with the last row of the page before. While that row exists, so do all rows
    # before it: a new attempt removes rows from the end.
    last = None
    while True:
        statement = ordered.limit(size)
        if last is not None:
            statement = ordered.where(epochs.c.epoch >= last.epoch).limit(size + 1)
        with database.read() as connection:
            rows = connection.execute(statement).all()
        if last is not None:
            if not rows or rows[0] != last:
                return
            rows = rows[1:]
        if rows:
            yield [text for _, _, text in rows]
        if len(rows) < size:
            return
        last = rows[-1]


def epochs_at(database: Database, job_id: str, numbers: Collection[int]) -> list[str]:
    """Those of the epochs `numbers` that the job has, as the JSON of EpochRow, in order."""
    ordered = select(epochs.c.row).where(epochs.c.job_id == job_id).order_by(epochs.c.epoch)
    texts: list[str] = []
    wanted = sorted(set(numbers))
    for start in range(0, len(wanted), AT_ONCE):
        batch = ordered.where(epochs.c.epoch.in_(wanted[start : start + AT_ONCE]))
        with database.read() as connection:
            texts += connection.execute(batch).scalars()
    return texts
