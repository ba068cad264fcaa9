"""From the end of an epoch to its arrival in 50 open event streams.

    python benchmarks/bench_events.py [--streams 50] [--database postgresql]

The demo's network trains on a real worker, its epochs back to back and with a rest after each. The
end is taken by the trainer's clock, the arrival by the clients', on the same machine. Then the same
streams are open for a job that waits, to see what that costs the API.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import bench_api
from benchmarks.bench_queue import on_postgresql
from benchmarks.stamped.engine import STAMP
from ridgeline.cli.local.address import Address
from ridgeline.cli.local.children import Child, stop_all
from ridgeline.cli.local.redis_server import socket_path

HERE = Path(__file__).parent
PACES = {0.0: 400, 0.3: 30, 2.0: 6}
"""How many epochs are trained with so many seconds of rest after each."""
IDLE_S = 10.0


def main() -> None:
    """Measure one pace after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        url = ""
        if arguments.database == "postgresql":
            url = stack.enter_context(on_postgresql())()
        api = stack.enter_context(bench_api.running_api(folder, url))
        with running_worker(folder, url):
            print(f"{arguments.database}, {arguments.streams} streams:\n")
            print("| rest after an epoch | epochs | events | p50 | p99 | slowest |")
            print("|---|---|---|---|---|---|")
            for rest_s, epochs in PACES.items():
                print_row(rest_s, epochs, follow(api, arguments.streams, rest_s, epochs))
        print_idle(api, arguments.streams)


@contextmanager
def running_worker(folder: Path, database_url: str) -> Iterator[None]:
    """The worker whose epochs are stamped, beside bench_api's service."""
    variables = bench_api.environment() | {
        "RIDGELINE_HOME": str(folder / "home"),
        "RIDGELINE_DATABASE_URL": database_url,
        "RIDGELINE_REDIS_URL": f"redis+socket://{socket_path(folder)}",
        "CUDA_VISIBLE_DEVICES": "",
    }
    log = folder / "worker.log"
    command = [sys.executable, "-m", "benchmarks.stamped"]
    worker = Child("worker", command, log=log, environment=variables)
    try:
        bench_api.wait(worker, lambda: "trainers_warm" in log.read_text("utf-8"))
        yield
    finally:
        stop_all([worker], grace_s=bench_api.STOP_S)


def follow(api: Address, streams: int, rest_s: float, epochs: int) -> bench_api.Figures:
    """From each epoch's end to its arrival in each stream."""
    with listening(api, submit(api, rest_s, epochs), streams) as listener:
        answer, _ = listener.communicate()
    found: bench_api.Figures = json.loads(answer)
    expected = epochs * streams
    if found["arrived"] != expected:
        sys.exit(f"received {found['arrived']} epochs in all streams; expected {expected}")
    return found


def submit(api: Address, rest_s: float, epochs: int) -> str:
    """Post the demo's job; returns its id."""
    spec: dict[str, Any] = json.loads(bench_api.DEMO.read_text("utf-8"))
    spec |= {"name": str(rest_s), "training": {**spec["training"], "epochs": epochs}}
    job: dict[str, Any] = httpx.post(f"{api.url}/jobs", json=spec, trust_env=False).json()
    return str(job["id"])


@contextmanager
def listening(api: Address, job_id: str, streams: int) -> Iterator["subprocess.Popen[str]"]:
    """All streams of the job, in a process of its own."""
    target = {"host": api.host, "port": api.port, "path": f"/jobs/{job_id}/events"}
    with subprocess.Popen(
        [sys.executable, str(HERE / "listen.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as listener:
        assert listener.stdin is not None
        listener.stdin.write(json.dumps(target | {"streams": streams, "stamp": STAMP}))
        listener.stdin.close()
        listener.stdin = None
        try:
            yield listener
        finally:
            listener.terminate()


def print_row(rest_s: float, epochs: int, found: bench_api.Figures) -> None:
    """Print one line of the table."""
    cells = " | ".join(f"{found[name]:.0f} ms" for name in ("p50_ms", "p99_ms", "slowest_ms"))
    print(f"| {rest_s:g} s | {epochs} | {found['live']} | {cells} |", flush=True)


def print_idle(api: Address, streams: int) -> None:
    """What streams of a job that waits cost the API; the worker has ended."""
    connections = psutil.net_connections("tcp")
    process = psutil.Process(
        next(
            each.pid
            for each in connections
            if each.status == psutil.CONN_LISTEN and each.laddr[1:2] == (api.port,) and each.pid
        )
    )
    with listening(api, submit(api, 0.0, 1), streams):
        time.sleep(IDLE_S / 2)
        before = sum(process.cpu_times()[:2])
        time.sleep(IDLE_S)
        share = (sum(process.cpu_times()[:2]) - before) / IDLE_S
        resident = process.memory_info().rss / 2**20
    print(f"\n{streams} streams of a job that waits: {share:.1%} of a core, {resident:.0f} MiB")


if __name__ == "__main__":
    main()
