"""The records of files that come in parts."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, RowMapping

from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.errors import UnknownUpload, UploadEnded
from ridgeline.storage.identifiers import new_upload_id
from ridgeline.storage.records.datasets import NewUpload, UploadRecord, locked_datasets
from ridgeline.storage.tables import upload_parts, uploads

_EXPIRED_AT_ONCE = 100
_COLUMNS = [uploads.c[each.name] for each in fields(UploadRecord) if each.name != "parts"]


class UploadStore:
    """The uploads in a database. One expires when nothing has come for `keep_s` seconds."""

    def __init__(self, database: Database, keep_s: float) -> None:
        self._database = database
        self._keep_ms = milliseconds(keep_s)

    def create(self, new: NewUpload) -> UploadRecord:
        """Begin an upload; when this returns, it is durable."""
        values = {"id": new_upload_id(), "created_at": now_ms(), "expires_at": self._expiry()}
        statement = insert(uploads).values({**asdict(new), **values}).returning(*_COLUMNS)
        with self._database.write() as connection:
            row = connection.execute(statement).mappings().one()
            return _record(row, {})

    def get(self, upload_id: str) -> UploadRecord | None:
        """The upload with the parts that were received, or None if there is none with this id."""
        statement = select(*_COLUMNS).where(uploads.c.id == upload_id)
        with self._database.read() as connection:
            row = connection.execute(statement).mappings().one_or_none()
            return None if row is None else _record(row, _parts(connection, upload_id))

    def find_open(self, new: NewUpload) -> UploadRecord | None:
        """The upload of the same file that is still open, if its hash is known; else None."""
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
        """Let it expire later: something comes. Raises UnknownUpload and UploadEnded."""
        with self._database.write() as connection:
            self._touched(connection, upload_id)

    def add_part(self, upload_id: str, number: int, key: str) -> str | None:
        """Note a part whose file is durable; returns the key of the one it replaces, to delete.

        Raises UnknownUpload, and UploadEnded for an upload that is complete.
        """
        part = {"upload_id": upload_id, "number": number}
        same = (upload_parts.c.upload_id == upload_id, upload_parts.c.number == number)
        dialect: Any = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(upload_parts).values(**part, key=key)
        with self._database.write() as connection:
            self._touched(connection, upload_id)  # whoever sends the same part waits here
            replaced = connection.execute(select(upload_parts.c.key).where(*same)).scalar()
            connection.execute(
                statement.on_conflict_do_update(index_elements=list(part), set_={"key": key})
            )
            failpoint("part.before_commit")
            return replaced

    def complete(self, upload_id: str, dataset_id: str) -> list[str]:
        """Note what became of an upload; returns the keys of its parts, to delete.

        An upload that was deleted meanwhile is passed over; one whose data set was is deleted too.
        """
        became = update(uploads).where(uploads.c.id == upload_id).values(dataset_id=dataset_id)
        with self._database.write() as connection:
            if not locked_datasets(connection, [dataset_id]):
                return _deleted(connection, upload_id)
            connection.execute(became)
            keys = list(_parts(connection, upload_id).values())
            connection.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id))
            return keys

    def delete(self, upload_id: str) -> list[str]:
        """Delete an upload; returns the keys of its parts, to delete. Raises UnknownUpload."""
        locked = select(uploads.c.id).where(uploads.c.id == upload_id).with_for_update()
        with self._database.write() as connection:
            if connection.execute(locked).first() is None:
                raise UnknownUpload(upload_id)
            return _deleted(connection, upload_id)

    def expire(self) -> list[str]:
        """Delete uploads for which nothing has come for long; returns the keys of their parts."""
        expired = (
            select(uploads.c.id)
            .where(uploads.c.expires_at <= now_ms())
            .order_by(uploads.c.expires_at)
            .limit(_EXPIRED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            ids = connection.execute(expired).scalars().all()
            return [key for each in ids for key in _deleted(connection, each)]

    def _touched(self, connection: Connection, upload_id: str) -> None:
        """Lock an upload that takes parts, and let it expire later."""
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


def _deleted(connection: Connection, upload_id: str) -> list[str]:
    keys = list(_parts(connection, upload_id).values())
    connection.execute(delete(uploads).where(uploads.c.id == upload_id))
    return keys


def _record(row: RowMapping, parts: dict[int, str]) -> UploadRecord:
    values: dict[str, Any] = dict(row)
    return UploadRecord(**values, parts=parts)
