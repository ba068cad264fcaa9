"""A complete Ridgeline installation as processes on the loopback address."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from ridgeline.storage import Database, JobStore
from tests.rig.api import Api
from tests.rig.postgresql import PostgreSQL
from tests.rig.process import START_S, Process, poll
from tests.rig.proxy import Proxy
from tests.rig.redis import Redis
from tests.rig.workers import Worker

DatabaseKind = Literal["postgresql", "sqlite"]

#: Short intervals: a test sees within seconds what takes a minute in production.
SHORT = {
    "RIDGELINE_LEASE_S": "4",
    "RIDGELINE_HEARTBEAT_S": "1",
    "RIDGELINE_CANCEL_GRACE_S": "2",
    "RIDGELINE_PROGRESS_INTERVAL_S": "0.05",
    "RIDGELINE_CHECKPOINT_INTERVAL_S": "0",
    "RIDGELINE_HANG_TIMEOUT_S": "6",
    "RIDGELINE_POLL_INTERVAL_S": "1",
    "RIDGELINE_REAP_INTERVAL_S": "0.5",
    "RIDGELINE_SWEEP_INTERVAL_S": "0.5",
    "RIDGELINE_REDISPATCH_INTERVAL_S": "2",
}


@dataclass(frozen=True)
class Links:
    """How one process reaches the broker and the database."""

    redis: Proxy
    database: Proxy | None
    """None: the database is a SQLite file."""

    def all(self) -> list[Proxy]:
        """Every proxy of the process."""
        return [self.redis, *([self.database] if self.database else [])]


@dataclass
class Cluster:
    """A broker, a database, APIs and workers; a context manager that runs them during the block.

    Every API and worker has its own proxies to broker and database, in `links` by its name.
    `settings` are RIDGELINE_* variables that replace or add to `defaults`.
    """

    apis_count: int = 1
    workers_count: int = 1
    database_kind: DatabaseKind = "postgresql"
    settings: Mapping[str, str] = field(default_factory=dict)
    slots: int = 1
    """Concurrent attempts per worker."""
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Further variables of single processes, by name."""
    defaults: Mapping[str, str] = field(default_factory=lambda: SHORT)
    """Empty: the defaults of production."""

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self.links: dict[str, Links] = {}
        self.apis: list[Api] = []
        self.workers: list[Worker] = []
        self.postgresql: PostgreSQL | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def home(self) -> Path:
        """The folder of records and artifacts."""
        return self.folder / "home"

    @property
    def artifacts(self) -> Path:
        """The folder of the published files."""
        return self.home / "artifacts"

    @property
    def database_url(self) -> str:
        """The URL of the database, bypassing the proxies."""
        return self.postgresql.url if self.postgresql else f"sqlite:///{self.home}/ridgeline.db"

    @property
    def processes(self) -> list[Process]:
        """Every server, dependencies first."""
        databases = [self.postgresql] if self.postgresql else []
        return [self.redis, *databases, *self.apis, *self.workers]

    def jobs(self) -> JobStore:
        """The job records, bypassing the proxies; closed with the cluster."""
        database = Database(self.database_url, pool_size=2)
        self._stack.callback(database.close)
        return JobStore(database)

    def heal(self) -> None:
        """Undo every fault: networks forward, and every server runs and responds."""
        for links in self.links.values():
            for proxy in links.all():
                proxy.forward()
        for process in self.processes:
            process.thaw()
        for process in self.processes:
            poll(f"{process.name} to respond", partial(_up, process), START_S)

    def _start(self, stack: ExitStack) -> None:
        # Not pytest's folder: PostgreSQL runs as its own user, which must be able to enter.
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ridgeline-rig-", ignore_cleanup_errors=True)
        )
        self.folder = Path(folder)
        self.home.mkdir()
        self.redis = stack.enter_context(Redis(self.folder))
        if self.database_kind == "postgresql":
            self.postgresql = stack.enter_context(PostgreSQL(self.folder))
        database = Database(self.database_url, pool_size=1)
        database.migrate()  # workers do not migrate, and must not wait for an API
        database.close()
        for number in range(self.apis_count):
            self.apis.append(
                Api(f"api-{number}", self.folder, self._settings(stack, "api", number))
            )
        for number in range(self.workers_count):
            settings = self._settings(stack, "worker", number)
            self.workers.append(Worker(f"worker-{number}", self.folder, settings))
        for process in (*self.apis, *self.workers):
            stack.callback(process.close)
            process.launch()
        for process in (*self.apis, *self.workers):
            process.wait_ready()

    def _settings(self, stack: ExitStack, kind: str, number: int) -> dict[str, str]:
        """Create the proxies of a process and return its environment."""
        redis = stack.enter_context(Proxy(self.redis.port))
        database = None
        url = self.database_url
        if self.postgresql:
            database = stack.enter_context(Proxy(self.postgresql.port))
            url = PostgreSQL.url_at(database.port)
        self.links[f"{kind}-{number}"] = Links(redis, database)
        return {
            **self.defaults,
            "RIDGELINE_HOME": str(self.home),
            "RIDGELINE_DATABASE_URL": url,
            "RIDGELINE_REDIS_URL": Redis.url_at(redis.port),
            "RIDGELINE_WORKER_CONCURRENCY": str(self.slots),
            **self.settings,
            **self.environments.get(f"{kind}-{number}", {}),
        }


def _up(process: Process) -> bool:
    """Whether the process responds; starts it if it has exited, for example without a database."""
    process.launch()
    return process.responds()
