"""Processes that die at a failpoint, and checks of the guarantees that hold afterwards."""

import hashlib
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from ridgeline.api.job import can_become
from ridgeline.storage import JobRecord, JobStore, LeaseStore, LocalArtifacts
from ridgeline.storage.files.marker import MARKER
from ridgeline.storage.tables import metadata
from tests.integration.failpoints.processes import (
    Home,
    attempt,
    reap,
    tidy,
    under,
)
from tests.integration.storage.conftest import postgresql_server
from tests.integration.worker.conftest import context, eventually, new_job
from tests.integration.worker.test_program import Broker, broker
from tests.rig.process import files_in

__all__ = ["broker", "context", "postgresql_server"]

WAIT_S = 30.0
MOST_ATTEMPTS = 3


class Rig:
    """A database, an artifact folder, a broker, and processes that work on them."""

    def __init__(self, home: Home, context: ForkServerContext) -> None:
        self.home = home
        self.database = home.database()
        self.database.migrate()
        self.jobs = JobStore(self.database)
        self.leases = LeaseStore(self.database)
        self.folder = home.worker.artifacts_dir
        self.context = context

    def killed_at(self, failpoint: str, body: Callable[..., None], *arguments: Any) -> None:
        """Run `body` in a process; fails unless it dies at the failpoint."""
        assert self._exit_of(failpoint, body, *arguments) == -signal.SIGKILL, failpoint
        if not self.database.is_sqlite:
            eventually(
                lambda: not self._open_transactions(), "the server to close the dead connection"
            )

    def run(self, body: Callable[..., None], *arguments: Any, failpoint: str | None = None) -> None:
        """Run `body` in a new process; fails unless it exits with 0."""
        assert self._exit_of(failpoint, body, *arguments) == 0

    def start(
        self, failpoint: str | None, body: Callable[..., None], *arguments: Any
    ) -> ForkServerProcess:
        """Start a process that runs `body`; the caller ends it."""
        process = self.context.Process(target=under, args=(failpoint, body, *arguments))
        process.start()
        return process

    def add(self, behaviour: str = "keep_all", **changes: Any) -> str:
        return self.jobs.create(new_job(name=behaviour, **changes)).record.id

    def end(self, job_id: str) -> JobRecord:
        """Run the janitor and other workers until the job has ended, without waiting."""
        for _ in range(MOST_ATTEMPTS):
            if self.record(job_id).status.terminal:
                break
            self.expire_leases()
            self.run(reap, self.home)
            self.sql("UPDATE jobs SET available_at = 0 WHERE finished_at IS NULL")
            self.run(attempt, self.home, job_id)
        self.run(tidy, self.home)
        return self.record(job_id)

    def expire_leases(self) -> None:
        """Expire every lease."""
        self.sql("UPDATE jobs SET lease_expires_at = 1 WHERE lease_expires_at IS NOT NULL")

    def record(self, job_id: str) -> JobRecord:
        record = self.jobs.get(job_id)
        assert record is not None
        return record

    def files(self) -> list[Path]:
        """Every file in the store except its marker: staged, published or of a checkpoint."""
        return [
            path.relative_to(self.folder)
            for path in files_in(self.folder)
            if not path.name.startswith(MARKER)
        ]

    def checkpoints(self, job_id: str) -> Path:
        return LocalArtifacts(self.folder).checkpoints(job_id)

    def sql(self, statement: str, **values: str) -> None:
        with self.database.write() as connection:
            connection.execute(text(statement), values)

    def rows(self) -> dict[str, int]:
        """The row counts of the tables that are not empty."""
        with self.database.read() as connection:
            counts = {
                name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for name, table in metadata.tables.items()
            }
        return {name: count for name, count in counts.items() if count}

    def assert_consistent(self, job_id: str) -> None:
        """Assert that all transitions are listed and only the published files exist, undamaged."""
        record = self.record(job_id)
        assert record.status.terminal
        assert record.reason_code is not None
        assert record.lease_owner is None
        moves = [event for event in self.jobs.events(job_id) if event.type == "status"]
        assert moves[0].before is None
        assert moves[-1].after is record.status
        for before, move in pairwise(moves):
            assert move.before is before.after
            assert move.before is not None
            assert move.after is not None
            assert can_become(move.before, move.after)
        assert all(attempt.ended_at is not None for attempt in self.jobs.attempts(job_id))
        for file in record.artifacts:
            content = (self.folder / file.key).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
        assert self.files() == sorted(Path(file.key) for file in record.artifacts)

    def _open_transactions(self) -> int:
        others = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        with self.database.read() as connection:
            return int(connection.execute(text(others)).scalar_one())

    def _exit_of(
        self, failpoint: str | None, body: Callable[..., None], *arguments: Any
    ) -> int | None:
        process = self.start(failpoint, body, *arguments)
        process.join(WAIT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            pytest.fail(f"{body.__name__} did not end within {WAIT_S:g} s")
        return process.exitcode


@pytest.fixture
def rig(context: ForkServerContext, tmp_path: Path) -> Iterator[Rig]:
    """A rig without a broker: nothing listens at its address."""
    rig = Rig(Home(tmp_path, f"redis+socket://{tmp_path}/no-redis.sock"), context)
    yield rig
    rig.database.close()


@pytest.fixture
def rig_with_broker(context: ForkServerContext, tmp_path: Path, broker: Broker) -> Iterator[Rig]:
    rig = Rig(Home(tmp_path, f"redis+socket://{broker.socket}"), context)
    yield rig
    rig.database.close()


@pytest.fixture
def rig_on_postgresql(
    context: ForkServerContext, tmp_path: Path, postgresql_server: Callable[[], str]
) -> Iterator[Rig]:
    no_broker = f"redis+socket://{tmp_path}/no-redis.sock"
    rig = Rig(Home(tmp_path, no_broker, database_url=postgresql_server()), context)
    yield rig
    rig.database.close()
