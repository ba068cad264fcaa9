"""GET /jobs/{id}/curves of a long job, thinned out, and what its epochs cost to be stored.

    python benchmarks/bench_curves.py [--epochs 100000] [--database postgresql]

The rows have the series of the demo's job. They are stored as a worker stores them, so many in a
transaction; how long that takes with and without the summaries is measured in turns, on other jobs.
"""

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import httpx

from benchmarks import bench_api
from benchmarks.bench_queue import on_postgresql
from ridgeline.api.curves import EpochRow
from ridgeline.cli.local.address import Address
from ridgeline.storage import Database, LeaseStore

SERIES = (
    *("loss", "data_loss", "penalty", "accuracy", "train_data_loss", "train_accuracy"),
    *("val_loss", "val_data_loss", "val_penalty", "val_accuracy", "gap", "learning_rate"),
)
BATCHES = {1: 640, 10: 5120}
"""How many epochs a worker stores at once, and how many in all."""


def main() -> None:
    """Fill a database, and ask the service for the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=200, help="requests a run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        url = f"sqlite:///{folder}/records.db"
        if arguments.database == "postgresql":
            url = stack.enter_context(on_postgresql())()
        api = stack.enter_context(bench_api.running_api(folder, url))
        database = stack.enter_context(_opened(url))
        job_id = submit(api)
        store(database, job_id, arguments.epochs, 1000)
        print(f"{arguments.database}, {arguments.epochs} epochs of {len(SERIES)} series:\n")
        print("| curves | p50 | p99 |\n|---|---|---|")
        print_answers(api, job_id, arguments)
        print("\n| epochs in a transaction | with summaries | without |\n|---|---|---|")
        for batch, epochs in BATCHES.items():
            print_costs(api, database, batch, epochs, arguments.repeats)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def submit(api: Address) -> str:
    """Post the demo's job; returns its id."""
    spec = json.loads(bench_api.DEMO.read_text("utf-8"))
    return str(httpx.post(f"{api.url}/jobs", json=spec, trust_env=False).json()["id"])


def store(database: Database, job_id: str, epochs: int, batch: int) -> list[float]:
    """Store epochs as a worker does; returns the seconds that each transaction took."""
    leases = LeaseStore(database)
    claim = leases.claim(job_id, "benchmark", lease_s=3600)
    if claim is None:
        raise RuntimeError("the job is not to be had")
    noise = random.Random(1)  # noqa: S311 - the same curve in every run
    seconds = []
    for start in range(1, epochs + 1, batch):
        rows = [row(epoch, noise) for epoch in range(start, min(start + batch, epochs + 1))]
        before = time.perf_counter()
        leases.record_epochs(claim, rows, 1.0)
        seconds.append(time.perf_counter() - before)
    return seconds


def row(epoch: int, noise: random.Random) -> EpochRow:
    """A loss that falls, and noise."""
    level = math.exp(-epoch / 30_000)
    values: dict[str, float | None] = {name: level + 0.05 * noise.random() for name in SERIES}
    penalties: dict[str, float | None] = {f"dense_{n}/kernel/l2": level / 9 for n in range(3)}
    return EpochRow(epoch=epoch, values=values, penalty_by_layer=penalties, seconds=0.01)


def print_answers(api: Address, job_id: str, arguments: argparse.Namespace) -> None:
    """Ask for the curves, and print a line for each number of points."""
    for max_points, count in ((500, arguments.count), (5000, max(16, arguments.count // 10))):
        path = f"/jobs/{job_id}/curves?max_points={max_points}"
        plan = bench_api.make_plan(api, "GET", path, connections=1)
        bench_api.load(plan, 2)
        runs = [bench_api.load(plan, count) for _ in range(arguments.repeats)]
        p50, p99 = (statistics.median(run[key] for run in runs) for key in ("p50_ms", "p99_ms"))
        print(f"| {max_points} points | {p50:.0f} ms | {p99:.0f} ms |", flush=True)


def print_costs(api: Address, database: Database, batch: int, epochs: int, repeats: int) -> None:
    """Store epochs with and without summaries, in turns."""
    means: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(repeats):
        for summaries in (True, False):
            with ExitStack() as stack:
                if not summaries:
                    stack.enter_context(mock.patch("ridgeline.storage.records.epochs.summarize"))
                means[summaries].append(
                    statistics.fmean(store(database, submit(api), epochs, batch))
                )
    cells = " | ".join(f"{statistics.median(found) * 1000:.2f} ms" for found in means.values())
    print(f"| {batch} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
