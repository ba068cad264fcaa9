"""The records of uploaded data sets, and which jobs train on them.

What goes into the storage of data sets and what comes out.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Integer, and_, delete, func, or_, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.lifecycle import TERMINAL
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.errors import DatasetInUse, UnknownDataset
from ridgeline.storage.identifiers import dataset_id
from ridgeline.storage.records.account import account_of
from ridgeline.storage.records.values import Tally
from ridgeline.storage.tables import datasets, job_datasets, jobs, tallies, upload_parts

CURSOR_PATTERN = r"^[0-9]{1,14}-ds_[0-9a-f]{32}$"
"""What `after` looks like: milliseconds since 1970, and an id."""


_NAMED_JOBS = 10
"""How many jobs a refusal names."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A file that lies in the store already, and what was found in it."""

    name: str
    format: str
    bytes: int
    sha256: str
    key: str
    """Where the file lies."""
    contents: str = field(repr=False)
    """A contract DatasetContents as JSON: the storage does not read it."""
    xxh3: str | None = None
    """What a download is checked by; None for a file of an earlier release."""


@dataclass(frozen=True, kw_only=True)
class DatasetRecord(NewDataset):
    """A data set as it is stored."""

    id: str
    created_at: datetime


_COLUMNS = [datasets.c[each.name] for each in fields(DatasetRecord)]


class AddedDataset(NamedTuple):
    """The answer to an add."""

    record: DatasetRecord
    existed: bool
    """Whether the same bytes were there before: the new file is to be deleted."""


class DatasetPage(NamedTuple):
    """Some data sets, newest first."""

    records: tuple[DatasetRecord, ...]
    next_after: str | None
    """What to pass as `after` for the next page; None on the last."""


class DatasetStore:
    """The data sets in a database; their bytes are in DatasetFiles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewDataset) -> AddedDataset:
        """Store a data set whose file is durable, or find the one with the same bytes.

        When this returns, the record is durable.
        """
        dialect: Any = sqlite if self._database.is_sqlite else postgresql
        values = {**asdict(new), "id": dataset_id(new.sha256), "created_at": now_ms()}
        insert = dialect.insert(datasets).values(values).on_conflict_do_nothing()
        with self._database.write() as connection:
            row = connection.execute(insert.returning(*_COLUMNS)).mappings().one_or_none()
            if row is not None:
                account_of(connection).count(Tally.DATASETS_STORED)
                failpoint("dataset.before_commit")
                return AddedDataset(DatasetRecord(**row), existed=False)
            found = _found(connection, dataset_id(new.sha256))
        # Another client's, which was deleted between the two statements: this one's turn again.
        return self.add(new) if found is None else AddedDataset(found, existed=True)

    def get(self, dataset_id: str) -> DatasetRecord | None:
        """The data set, or None if there is none with this id."""
        with self._database.read() as connection:
            return _found(connection, dataset_id)

    def list(
        self, limit: int = 50, after: str | None = None, max_bytes: int | None = None
    ) -> DatasetPage:
        """Up to `limit` data sets, newest first, behind the cursor `after` (CURSOR_PATTERN).

        A page ends early where their contents would exceed `max_bytes`, but has one at least.
        """
        order = (datasets.c.created_at.desc(), datasets.c.id.desc())
        size = func.length(datasets.c.contents, type_=Integer).label("size")
        newest = select(datasets.c.id, size).order_by(*order).limit(limit + 1)
        if after is not None:
            newest = newest.where(_behind(after))
        with self._database.read() as connection:
            found = connection.execute(newest).all()
            kept = [row.id for row in found[: _fitting([row.size for row in found], max_bytes)]]
            kept = kept[:limit]
            rows = connection.execute(
                select(*_COLUMNS).where(datasets.c.id.in_(kept)).order_by(*order)
            )
            records = tuple(DatasetRecord(**row) for row in rows.mappings())
        return DatasetPage(records, _cursor(records[-1]) if len(found) > len(records) else None)

    def delete(self, dataset_id: str) -> str:
        """Delete a data set that no job needs any more; returns the key of its file to delete.

        A job that is being created at the same moment is created first, or not at all. Raises
        UnknownDataset, and DatasetInUse while a job that has not ended trains on it.
        """
        locked = select(datasets.c.key).where(datasets.c.id == dataset_id).with_for_update()
        with self._database.write() as connection:
            key: str | None = connection.execute(locked).scalar_one_or_none()
            if key is None:
                raise UnknownDataset(dataset_id)
            users = _users(connection, dataset_id)
            if users:
                raise DatasetInUse(dataset_id, users)
            connection.execute(delete(datasets).where(datasets.c.id == dataset_id))
            failpoint("dataset_delete.before_commit")
            return key

    def known(self, keys: Collection[str]) -> set[str]:
        """Those of `keys` that a data set or a part of an upload has."""
        both = union_all(
            select(datasets.c.key).where(datasets.c.key.in_(keys)),
            select(upload_parts.c.key).where(upload_parts.c.key.in_(keys)),
        )
        with self._database.read() as connection:
            return set(connection.execute(both).scalars())

    def any_stored(self) -> bool:
        """Whether this database has ever had a data set, be it deleted since."""
        stored = select(tallies.c.name).where(tallies.c.name == Tally.DATASETS_STORED.value)
        with self._database.read() as connection:
            return connection.execute(stored.limit(1)).first() is not None


def locked_datasets(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of the data sets that are there; they stay until the transaction ends."""
    if not ids:
        return set()
    found = select(datasets.c.id).where(datasets.c.id.in_(ids)).order_by(datasets.c.id)
    kept = found.with_for_update(read=True, key_share=True)
    return set(connection.execute(kept).scalars())


def _found(connection: Connection, dataset_id: str) -> DatasetRecord | None:
    statement = select(*_COLUMNS).where(datasets.c.id == dataset_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else DatasetRecord(**row)


def _users(connection: Connection, dataset_id: str) -> Sequence[str]:
    """Some jobs that have not ended and train on the data set."""
    statement = (
        select(jobs.c.id)
        .join(job_datasets, job_datasets.c.job_id == jobs.c.id)
        .where(job_datasets.c.dataset_id == dataset_id, jobs.c.status.not_in(TERMINAL))
        .order_by(jobs.c.id)
        .limit(_NAMED_JOBS)
    )
    return connection.execute(statement).scalars().all()


def _cursor(record: DatasetRecord) -> str:
    milliseconds = round((record.created_at - _EPOCH).total_seconds() * 1000)
    return f"{milliseconds}-{record.id}"


def _behind(cursor: str) -> ColumnElement[bool]:
    milliseconds, _, dataset_id = cursor.partition("-")
    created_at = _EPOCH + timedelta(milliseconds=int(milliseconds))
    same_moment = and_(datasets.c.created_at == created_at, datasets.c.id < dataset_id)
    return or_(datasets.c.created_at < created_at, same_moment)


def _fitting(sizes: Sequence[int], max_bytes: int | None) -> int:
    """How many of the first data sets, of such sizes, fit into `max_bytes`: one at least."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count and max_bytes is not None and total > max_bytes:
            return count
    return len(sizes)


@dataclass(frozen=True, kw_only=True)
class NewUpload:
    """A file that is going to come in parts."""

    name: str
    bytes: int
    part_bytes: int
    format: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class UploadRecord(NewUpload):
    """An upload as it is stored."""

    id: str
    dataset_id: str | None
    """What has become of it, once it is complete."""
    created_at: datetime
    expires_at: datetime
    parts: dict[int, str]
    """The key of each part that was received, by its number."""

    @property
    def part_count(self) -> int:
        """How many parts the whole file has."""
        return -(-self.bytes // self.part_bytes)

    def part_size(self, number: int) -> int:
        """The bytes of a part, numbered from 1."""
        return min(self.part_bytes, self.bytes - (number - 1) * self.part_bytes)
