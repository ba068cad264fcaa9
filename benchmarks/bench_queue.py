"""The queue: POSTs a second, claims from a short and a long queue, pages of a long list.

    python benchmarks/bench_queue.py [--database postgresql] [--repeats 3]

On SQLite, or on a PostgreSQL of its own, both as durable as the service keeps them. The queued jobs
are the demo's, stored in full. Those of the list have specs of --spec-bytes, because a million full
specs are 4 GB: their pages are smaller, but finding the jobs takes as long. Both sides of a
comparison run in turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks import noise, queue_rows
from benchmarks.servers import (
    CONNECTIONS,
    DATABASES,
    DEMO,
    Figures,
    NewDatabase,
    databases,
    load,
    load_all,
    make_plan,
    running_api,
)
from ridgeline.storage import Claim, Database, LeaseStore

SHORT_QUEUE = 10
CLAIM_STEP = 7919
"""A prime, so that the claims by hint spread over the whole queue."""

Latencies = dict[str, list[float]]


def main() -> None:
    """Measure POSTs, claims and pages; print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--posts", type=int, default=1000, help="POSTs of a run")
    parser.add_argument("--claims", type=int, default=100, help="claims of each kind in a run")
    parser.add_argument("--pages", type=int, default=40, help="pages of each kind in a run")
    parser.add_argument("--queued", type=int, default=100_000, help="jobs in the long queue")
    parser.add_argument("--listed", type=int, default=1_000_000, help="jobs in the long list")
    parser.add_argument("--spec-bytes", type=int, default=450, help="length of a listed job's spec")
    arguments = parser.parse_args()
    with noise.reported(), databases(arguments.database) as new_database:
        print(f"{arguments.database}, {arguments.repeats} runs:\n")
        measure_posts(new_database, arguments)
        measure_claims(new_database, arguments)
        measure_pages(new_database, arguments)


def measure_posts(new_database: NewDatabase, arguments: argparse.Namespace) -> None:
    """POST /jobs alone, and while the hints of a long queue are sent to the broker."""
    url = new_database()
    body = DEMO.read_text("utf-8")
    runs: dict[str, list[Figures]] = {"alone": [], "while hints are sent": []}
    with running_api(url) as api, _opened(url) as database:
        plan = make_plan(api.address, "POST", "/jobs", body)
        load(plan, arguments.posts // 5)
        for _ in range(arguments.repeats):
            runs["alone"].append(load(plan, arguments.posts))
        queue_rows.fill_queue(database, arguments.queued, body.encode(), hints=True)
        for _ in range(arguments.repeats):
            runs["while hints are sent"].append(load(plan, arguments.posts))
    print(f"| POST /jobs, {CONNECTIONS} connections | POSTs/s | p50 | p99 |")
    print("|---|---|---|---|")
    for name, figures in runs.items():
        p50, p99 = (statistics.median(run[key] for run in figures) for key in ("p50_ms", "p99_ms"))
        rate = noise.with_range([run["per_second"] for run in figures], ",.0f", "")
        print(f"| {name} | {rate} | {p50:.1f} ms | {p99:.1f} ms |")
    print(flush=True)


def measure_claims(new_database: NewDatabase, arguments: argparse.Namespace) -> None:
    """Claims by a hint and from the database; each job is released outside the timing."""
    sizes = (SHORT_QUEUE, arguments.queued)
    body = DEMO.read_bytes()
    by_hint: Latencies = {f"by a hint, {size:,} queued": [] for size in sizes}
    by_poll: Latencies = {f"from the database, {size:,} queued": [] for size in sizes}
    with ExitStack() as stack:
        stores = []
        for size in sizes:
            database = stack.enter_context(_opened(new_database()))
            queue_rows.fill_queue(database, size, body)
            stores.append(LeaseStore(database))
        for turn in range(arguments.repeats * arguments.claims):
            for size, leases, hint, poll in zip(sizes, stores, by_hint, by_poll, strict=True):
                job_id = queue_rows.job_id(turn * CLAIM_STEP % size + 1)
                by_hint[hint].append(_claim_ms(leases, partial(leases.claim, job_id, "bench")))
                by_poll[poll].append(_claim_ms(leases, partial(leases.claim_next, "bench")))
    print("| claim | p50 | p99 |\n|---|---|---|")
    for name, values in (by_hint | by_poll).items():
        p99 = statistics.quantiles(values, n=100)[98]
        print(f"| {name} | {statistics.median(values):.2f} ms | {p99:.2f} ms |")
    print(flush=True)


def _claim_ms(leases: LeaseStore, claim_one: Callable[[], Claim | None]) -> float:
    """Milliseconds of a claim; the job is released afterwards."""
    began = time.perf_counter()
    claim = claim_one()
    seconds = time.perf_counter() - began
    if claim is None:
        raise RuntimeError("expected a job to claim; the queue returned none")
    leases.release(claim, penalized=False)
    return 1000 * seconds


def measure_pages(new_database: NewDatabase, arguments: argparse.Namespace) -> None:
    """GET /jobs over one connection, on a long list of ended jobs."""
    url = new_database()
    with _opened(url) as database:
        queue_rows.fill_list(database, arguments.listed, arguments.spec_bytes)
    deep = f"after={queue_rows.job_id(arguments.listed // 2)}"
    queries = {
        "the first": "",
        "from the middle": deep,
        "by a common status": "status=succeeded",
        "by a rare status": "status=failed",
        "by two statuses": "status=failed&status=cancelled",
        "by a common tag": "tag=common",
        "by a rare tag": "tag=rare",
        "by a rare tag and a common status": "tag=rare&status=succeeded",
        "by a common tag and a rare status": "tag=common&status=failed",
        "by a tag and a status that match no job": "tag=common&status=cancelled",
        "by a common tag and status, from the middle": f"tag=common&status=succeeded&{deep}",
    }
    pages: Latencies = {name: [] for name in queries}
    worst: Latencies = {name: [] for name in queries}
    with running_api(url) as api:
        plans = {
            name: make_plan(api.address, "GET", f"/jobs?{query}", connections=1)
            for name, query in queries.items()
        }
        for turn in range(arguments.repeats + 1):
            for name, figures in load_all(plans, arguments.pages).items():
                if turn:  # the first turn fills the page cache
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


if __name__ == "__main__":
    main()
