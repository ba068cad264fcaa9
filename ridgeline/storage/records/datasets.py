"""Stored data sets, the jobs that train on them, and the uploads that become data sets."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Integer, and_, delete, func, insert, or_, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.datasets import dataset_id
from ridgeline.api.lifecycle import TERMINAL
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import RowReader, count_fitting, milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.errors import DatasetInUse, UnknownDataset, UnknownUpload, UploadEnded
from ridgeline.storage.records.account import account_of
from ridgeline.storage.records.values import Tally
from ridgeline.storage.tables import datasets, job_datasets, jobs, tallies, upload_parts, uploads

CURSOR_PATTERN = r"^[0-9]{1,14}-ds_[0-9a-f]{32}$"
"""The format of `after`: milliseconds since 1970, and an id."""
_NAMED_JOBS = 10
"""How many jobs a DatasetInUse names."""
_EXPIRED_AT_ONCE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A file that is in the store already, and its contents."""

    name: str
    format: str
    bytes: int
    sha256: str
    key: str
    """The key of the file in the store."""
    contents: str = field(repr=False)
    """DatasetContents as JSON, which the storage does not parse."""
    xxh3: str | None = None
    """XXH3 of the file, to check downloads by; None for a file of an earlier release."""


@dataclass(frozen=True, kw_only=True)
class DatasetRecord(NewDataset):
    """A stored data set."""

    id: str
    created_at: datetime


class AddedDataset(NamedTuple):
    """The result of adding a data set."""

    record: DatasetRecord
    existed: bool
    """Whether the same bytes were stored before: delete the new file."""


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
        """Store a data set whose file is durable, or return the one with the same bytes.

        When this returns, the record is durable.
        """
        dialect: Any = sqlite if self._database.is_sqlite else postgresql
        values = {**asdict(new), "id": dataset_id(new.sha256), "created_at": now_ms()}
        statement = dialect.insert(datasets).values(values).on_conflict_do_nothing()
        with self._database.write() as connection:
            stored = _DATASET.read_one(connection.execute(statement.returning(*_DATASET.columns)))
            if stored is not None:
                account_of(connection).count(Tally.DATASETS_STORED)
                failpoint("dataset.before_commit")
                return AddedDataset(stored, existed=False)
            existing = _dataset(connection, dataset_id(new.sha256))
        # None: another client's data set was deleted between the two statements.
        return self.add(new) if existing is None else AddedDataset(existing, existed=True)

    def get(self, dataset_id: str) -> DatasetRecord | None:
        """The data set, or None if there is none with this id."""
        with self._database.read() as connection:
            return _dataset(connection, dataset_id)

    def list(
        self, limit: int = 50, after: str | None = None, max_bytes: int | None = None
    ) -> DatasetPage:
        """Up to `limit` data sets, newest first, after the cursor `after` (CURSOR_PATTERN).

        A page ends early if its contents would exceed `max_bytes`, but has at least one data set.
        """
        order = (datasets.c.created_at.desc(), datasets.c.id.desc())
        size = func.length(datasets.c.contents, type_=Integer).label("size")
        newest = select(datasets.c.id, size).order_by(*order).limit(limit + 1)
        if after is not None:
            newest = newest.where(_after(after))
        with self._database.read() as connection:
            sizes: dict[str, int] = dict(connection.execute(newest).all())
            kept = list(sizes)[: count_fitting(list(sizes.values())[:limit], max_bytes)]
            page = select(*_DATASET.columns).where(datasets.c.id.in_(kept)).order_by(*order)
            records = tuple(_DATASET.read_all(connection.execute(page)))
        return DatasetPage(records, _cursor(records[-1]) if len(sizes) > len(records) else None)

    def delete(self, dataset_id: str) -> str:
        """Delete a data set that no job needs any more; returns the key of its file, to be deleted.

        A job that is being created concurrently is created before, or rejected. Raises
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
        """Those of `keys` that belong to a data set or to a part of an upload."""
        both = union_all(
            select(datasets.c.key).where(datasets.c.key.in_(keys)),
            select(upload_parts.c.key).where(upload_parts.c.key.in_(keys)),
        )
        with self._database.read() as connection:
            return set(connection.execute(both).scalars())

    def any_stored(self) -> bool:
        """Whether this database ever had a data set, even if it was deleted since."""
        stored = select(tallies.c.name).where(tallies.c.name == Tally.DATASETS_STORED.value)
        with self._database.read() as connection:
            return connection.execute(stored.limit(1)).first() is not None


def locked_datasets(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of the data sets that exist, locked until the transaction ends."""
    if not ids:
        return set()
    existing = select(datasets.c.id).where(datasets.c.id.in_(ids)).order_by(datasets.c.id)
    locked = existing.with_for_update(read=True, key_share=True)
    return set(connection.execute(locked).scalars())


_DATASET = RowReader(DatasetRecord, datasets)


def _dataset(connection: Connection, dataset_id: str) -> DatasetRecord | None:
    statement = select(*_DATASET.columns).where(datasets.c.id == dataset_id)
    return _DATASET.read_one(connection.execute(statement))


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
    return f"{milliseconds((record.created_at - _EPOCH).total_seconds())}-{record.id}"


def _after(cursor: str) -> ColumnElement[bool]:
    created_ms, _, dataset_id = cursor.partition("-")
    created_at = _EPOCH + timedelta(milliseconds=int(created_ms))
    same_moment = and_(datasets.c.created_at == created_at, datasets.c.id < dataset_id)
    return or_(datasets.c.created_at < created_at, same_moment)


@dataclass(frozen=True, kw_only=True)
class NewUpload:
    """A file to be uploaded in parts."""

    name: str
    bytes: int
    part_bytes: int
    format: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class UploadRecord(NewUpload):
    """A stored upload."""

    id: str
    dataset_id: str | None
    """The data set that it became, once it is complete."""
    created_at: datetime
    expires_at: datetime
    parts: dict[int, str] = field(default_factory=dict)
    """The keys of the received parts, by number."""

    @property
    def part_count(self) -> int:
        """The number of parts of the whole file."""
        return -(-self.bytes // self.part_bytes)

    def part_size(self, number: int) -> int:
        """The size of a part, numbered from 1, in bytes."""
        return min(self.part_bytes, self.bytes - (number - 1) * self.part_bytes)


_UPLOAD = RowReader(UploadRecord, uploads, without=("parts",))


class UploadStore:
    """The uploads in a database. An upload expires `keep_s` seconds after its last request."""

    def __init__(self, database: Database, keep_s: float) -> None:
        self._database = database
        self._keep_ms = milliseconds(keep_s)

    def create(self, new: NewUpload) -> UploadRecord:
        """Create an upload; when this returns, it is durable."""
        values = {
            "id": f"up_{secrets.token_hex(16)}",
            "created_at": now_ms(),
            "expires_at": self._expiry(),
        }
        statement = insert(uploads).values({**asdict(new), **values}).returning(*_UPLOAD.columns)
        with self._database.write() as connection:
            return _UPLOAD.read(connection.execute(statement).one())

    def get(self, upload_id: str) -> UploadRecord | None:
        """The upload with its received parts, or None if there is none with this id."""
        statement = select(*_UPLOAD.columns).where(uploads.c.id == upload_id)
        with self._database.read() as connection:
            record = _UPLOAD.read_one(connection.execute(statement))
            return record and replace(record, parts=_parts(connection, upload_id))

    def find_open(self, new: NewUpload) -> UploadRecord | None:
        """The open upload of the same file, recognized by its hash; None without one."""
        if new.sha256 is None:
            return None
        same = [
            uploads.c[name] == getattr(new, name) for name in ("name", "bytes", "format", "sha256")
        ]
        oldest = (
            select(uploads.c.id)
            .where(*same, uploads.c.dataset_id.is_(None), uploads.c.expires_at > now_ms())
            .order_by(uploads.c.created_at, uploads.c.id)
            .limit(1)
        )
        with self._database.read() as connection:
            upload_id = connection.execute(oldest).scalar_one_or_none()
        return None if upload_id is None else self.get(upload_id)

    def touch(self, upload_id: str) -> None:
        """Postpone the expiry: a request is in progress. Raises UnknownUpload and UploadEnded."""
        with self._database.write() as connection:
            self._touch(connection, upload_id)

    def add_part(self, upload_id: str, number: int, key: str) -> str | None:
        """Record a part whose file is durable; returns the key that it replaces, to be deleted.

        Raises UnknownUpload, and UploadEnded for an upload that is complete.
        """
        part = {"upload_id": upload_id, "number": number}
        same = (upload_parts.c.upload_id == upload_id, upload_parts.c.number == number)
        dialect: Any = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(upload_parts).values(**part, key=key)
        with self._database.write() as connection:
            self._touch(connection, upload_id)  # another request with the same part waits here
            replaced = connection.execute(select(upload_parts.c.key).where(*same)).scalar()
            connection.execute(
                statement.on_conflict_do_update(index_elements=list(part), set_={"key": key})
            )
            failpoint("part.before_commit")
            return replaced

    def complete(self, upload_id: str, dataset_id: str) -> list[str]:
        """Record the data set that an upload became; returns the keys of its parts, to be deleted.

        Skips an upload that was deleted meanwhile; deletes one whose data set was deleted.
        """
        became = update(uploads).where(uploads.c.id == upload_id).values(dataset_id=dataset_id)
        with self._database.write() as connection:
            if not locked_datasets(connection, [dataset_id]):
                return _delete(connection, upload_id)
            connection.execute(became)
            keys = list(_parts(connection, upload_id).values())
            connection.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id))
            return keys

    def delete(self, upload_id: str) -> list[str]:
        """Delete an upload; returns the keys of its parts, to be deleted. Raises UnknownUpload."""
        locked = select(uploads.c.id).where(uploads.c.id == upload_id).with_for_update()
        with self._database.write() as connection:
            if connection.execute(locked).first() is None:
                raise UnknownUpload(upload_id)
            return _delete(connection, upload_id)

    def expire(self) -> list[str]:
        """Delete expired uploads; returns the keys of their parts, to be deleted."""
        expired = (
            select(uploads.c.id)
            .where(uploads.c.expires_at <= now_ms())
            .order_by(uploads.c.expires_at)
            .limit(_EXPIRED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            ids = connection.execute(expired).scalars().all()
            return [key for upload_id in ids for key in _delete(connection, upload_id)]

    def _touch(self, connection: Connection, upload_id: str) -> None:
        """Lock an open upload and postpone its expiry."""
        later = (
            update(uploads)
            .where(uploads.c.id == upload_id)
            .values(expires_at=self._expiry())
            .returning(uploads.c.dataset_id)
        )
        row = connection.execute(later).one_or_none()
        if row is None:
            raise UnknownUpload(upload_id)
        if row.dataset_id is not None:
            raise UploadEnded(upload_id, row.dataset_id)

    def _expiry(self) -> Any:
        return now_ms() + self._keep_ms


def _parts(connection: Connection, upload_id: str) -> dict[int, str]:
    statement = (
        select(upload_parts.c.number, upload_parts.c.key)
        .where(upload_parts.c.upload_id == upload_id)
        .order_by(upload_parts.c.number)
    )
    return {row.number: row.key for row in connection.execute(statement)}


def _delete(connection: Connection, upload_id: str) -> list[str]:
    keys = list(_parts(connection, upload_id).values())
    connection.execute(delete(uploads).where(uploads.c.id == upload_id))
    return keys
