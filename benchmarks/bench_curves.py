"""GET /jobs/{id}/curves of a long job, downsampled, and the cost of storing its epochs.

    python benchmarks/bench_curves.py [--epochs 100000] [--database postgresql]

The rows have the series of the demo's job and are stored as a worker stores them, several epochs in
a transaction. The cost with and without the summaries is measured in turns, on other jobs.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from benchmarks import noise
from benchmarks.servers import (
    DATABASES,
    Service,
    databases,
    load,
    make_plan,
    post_demo,
    running_api,
)
from ridgeline.api.curves import EpochRow
from ridgeline.storage import Database, LeaseStore

SERIES = (
    *("loss", "data_loss", "penalty", "accuracy", "train_data_loss", "train_accuracy"),
    *("val_loss", "val_data_loss", "val_penalty", "val_accuracy", "gap", "learning_rate"),
)
BATCHES = (1, 10)
"""Epochs in a transaction."""
BULK = 1000


def main() -> None:
    """Fill a database, and request the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=200, help="requests of a run")
    parser.add_argument("--transactions", type=int, default=640, help="transactions of a run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        stack.enter_context(noise.reported())
        url = stack.enter_context(databases(arguments.database))()
        api = stack.enter_context(running_api(url))
        database = stack.enter_context(_opened(url))
        job_id = post_demo(api)
        store(database, job_id, arguments.epochs, BULK)
        print(f"{arguments.database}, {arguments.epochs:,} epochs of {len(SERIES)} series:\n")
        print("| curves | p50 | p99 |\n|---|---|---|")
        print_requests(api, job_id, arguments)
        print("\n| epochs in a transaction | with summaries | without |\n|---|---|---|")
        for batch in BATCHES:
            print_costs(api, database, batch, arguments)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def store(database: Database, job_id: str, epochs: int, batch: int) -> list[float]:
    """Store epochs as a worker does; returns the seconds of each transaction."""
    leases = LeaseStore(database)
    claim = leases.claim(job_id, "benchmark", lease_s=3600)
    if claim is None:
        raise RuntimeError(f"expected to claim {job_id}; it is not queued")
    generator = random.Random(1)  # noqa: S311 - the same curve in every run
    seconds = []
    for start in range(1, epochs + 1, batch):
        rows = [row(epoch, generator) for epoch in range(start, min(start + batch, epochs + 1))]
        began = time.perf_counter()
        leases.record_epochs(claim, rows, 1.0)
        seconds.append(time.perf_counter() - began)
    return seconds


def row(epoch: int, generator: random.Random) -> EpochRow:
    """A falling loss with noise."""
    level = math.exp(-epoch / 30_000)
    values: dict[str, float | None] = {name: level + 0.05 * generator.random() for name in SERIES}
    penalties: dict[str, float | None] = {f"dense_{n}/kernel/l2": level / 9 for n in range(3)}
    return EpochRow(epoch=epoch, values=values, penalty_by_layer=penalties, seconds=0.01)


def print_requests(api: Service, job_id: str, arguments: argparse.Namespace) -> None:
    """Request the curves, and print a line for each number of points."""
    for max_points, requests in ((500, arguments.count), (5000, max(16, arguments.count // 10))):
        path = f"/jobs/{job_id}/curves?max_points={max_points}"
        plan = make_plan(api.address, "GET", path, connections=1)
        load(plan, 2)
        runs = [load(plan, requests) for _ in range(arguments.repeats)]
        p50s, p99s = ([run[key] for run in runs] for key in ("p50_ms", "p99_ms"))
        cells = " | ".join(noise.with_range(values, ".0f", "ms") for values in (p50s, p99s))
        print(f"| {max_points} points | {cells} |", flush=True)


def print_costs(
    api: Service, database: Database, batch: int, arguments: argparse.Namespace
) -> None:
    """Store epochs with and without summaries, in turns."""
    epochs = arguments.transactions * batch
    means: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(arguments.repeats):
        for summaries in (True, False):
            with ExitStack() as stack:
                if not summaries:
                    stack.enter_context(mock.patch("ridgeline.storage.records.epochs.summarize"))
                seconds = store(database, post_demo(api), epochs, batch)
                means[summaries].append(1000 * statistics.fmean(seconds))
    cells = " | ".join(noise.with_range(side, ".2f", "ms") for side in means.values())
    print(f"| {batch} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
