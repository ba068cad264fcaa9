"""The workers as they report themselves, and what they hold."""

import json
from typing import Any

from sqlalchemy import case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import HELD
from ridgeline.api.worker import WorkerState
from ridgeline.storage.columns import milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.records.leases import LEASE_S
from ridgeline.storage.records.values import NewWorker, WorkerRecord
from ridgeline.storage.tables import jobs, workers

FORGOTTEN_AFTER_S = 86_400.0
"""How long a worker that has ended, or was lost, is listed."""
_ENDED = (WorkerState.GONE.value,)


class WorkerStore:
    """The workers in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, worker: NewWorker, state: WorkerState) -> None:
        """Say what a worker does, as a sign of life; its first word makes it known."""
        values: dict[str, Any] = {
            "id": worker.id,
            "host": worker.host,
            "pid": worker.pid,
            "slots": json.dumps(worker.slots),
            "version": worker.version,
            "started_at": now_ms(),
        }
        seen = {"state": state.value, "seen_at": now_ms()}
        dialect: Any = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(workers).values(**values, **seen)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=seen))

    def list(self, lease_s: float = LEASE_S) -> list[WorkerRecord]:
        """Every worker, the latest first, with its jobs; one silent for `lease_s` is lost."""
        silent = workers.c.seen_at < now_ms() - milliseconds(lease_s)
        lost = case((silent & workers.c.state.not_in(_ENDED), WorkerState.LOST.value))
        statement = select(workers, lost.label("lost"))
        newest = statement.order_by(workers.c.started_at.desc(), workers.c.id)
        with self._database.read() as connection:
            held = _held(connection)
            rows = connection.execute(newest).mappings().all()
        return [
            WorkerRecord(
                **{name: row[name] for name in ("id", "host", "pid", "version")},
                slots=tuple(json.loads(row["slots"])),
                state=WorkerState(row["lost"] or row["state"]),
                started_at=row["started_at"],
                seen_at=row["seen_at"],
                jobs=tuple(held.get(row["id"], ())),
            )
            for row in rows
        ]

    def forget(self, older_than_s: float = FORGOTTEN_AFTER_S) -> int:
        """Delete the workers that were last heard of so long ago; returns how many."""
        past = workers.c.seen_at < now_ms() - milliseconds(older_than_s)
        with self._database.write() as connection:
            return connection.execute(delete(workers).where(past)).rowcount


def _held(connection: Connection) -> dict[str, list[str]]:
    """The jobs that are held, by the owner of their leases."""
    statement = select(jobs.c.lease_owner, jobs.c.id).where(jobs.c.status.in_(HELD))
    found: dict[str, list[str]] = {}
    for row in connection.execute(statement.order_by(jobs.c.id)):
        found.setdefault(row.lease_owner, []).append(row.id)
    return found
