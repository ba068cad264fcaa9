"""POST /jobs and GET /jobs/{id}: latency and rate, beside a bare FastAPI route on SQLite.

    python benchmarks/bench_api.py [--repeats 3] [--count 1000]

The service runs with its broker but without a worker, so that nothing is trained meanwhile. Both
servers run at once, and one is asked at a time, in turns, over 8 connections.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from ridgeline.cli.local.address import Address, free_address
from ridgeline.cli.local.children import Child, stop_all
from ridgeline.cli.local.redis_server import redis_answers, socket_path, start_redis

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "ridgeline" / "cli" / "demo.json"
HERE = Path(__file__).parent
CONNECTIONS = 8
START_S = 30.0
STOP_S = 15.0

Figures = dict[str, float]


def main() -> None:
    """Start both servers, ask them in turns, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000, help="requests a run")
    arguments = parser.parse_args()
    with ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        api = servers.enter_context(running_api(folder))
        bare = servers.enter_context(running_bare(folder))
        plans = make_plans(api, bare)
        for plan in plans.values():
            load(plan, arguments.count // 5)
        runs: dict[str, list[Figures]] = {name: [] for name in plans}
        for _ in range(arguments.repeats):
            for name, plan in plans.items():
                runs[name].append(load(plan, arguments.count))
    print_table(runs, arguments)


@contextmanager
def running_api(folder: Path, database_url: str = "") -> Iterator[Address]:
    """The service with a broker of its own, and no worker; by default on SQLite in `folder`."""
    address = free_address(Address("127.0.0.1", 0))
    variables = environment() | {
        "RIDGELINE_HOME": str(folder / "home"),
        "RIDGELINE_DATABASE_URL": database_url,
        "RIDGELINE_HOST": address.host,
        "RIDGELINE_PORT": str(address.port),
        "RIDGELINE_REDIS_URL": f"redis+socket://{socket_path(folder)}",
    }
    redis = start_redis(folder, log=folder / "redis.log", environment=os.environ)
    command = [sys.executable, "-m", "service"]
    api = Child("API", command, log=folder / "api.log", environment=variables)
    try:
        wait(api, lambda: redis_answers(folder) and _answers(f"{address.url}/healthz"))
        yield address
    finally:
        stop_all([api], grace_s=STOP_S)
        stop_all([redis], grace_s=STOP_S)


@contextmanager
def running_bare(folder: Path) -> Iterator[Address]:
    """The bare route, in a process of its own."""
    address = free_address(Address("127.0.0.1", 0))
    command = [sys.executable, str(HERE / "bare_route.py"), str(address.port)]
    bare = Child(
        "bare route",
        [*command, str(folder / "bare.db")],
        log=folder / "bare.log",
        environment=environment(),
    )
    try:
        wait(bare, lambda: _answers(f"{address.url}/openapi.json"))
        yield address
    finally:
        stop_all([bare], grace_s=STOP_S)


def wait(child: Child, ready: Any) -> None:
    """Wait until `ready`; end with the child's last words if it never is."""
    deadline = time.monotonic() + START_S
    while not ready():
        if child.exit_status is not None or time.monotonic() > deadline:
            sys.exit(f"{child.name} did not start:\n{child.last_words()}")
        time.sleep(0.02)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def environment() -> dict[str, str]:
    """The variables of a process that imports from this checkout."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def make_plans(api: Address, bare: Address) -> dict[str, dict[str, Any]]:
    """What is asked of whom; each GET reads a row that was posted before."""
    spec = DEMO.read_text("utf-8")
    with httpx.Client(trust_env=False) as http:
        job = http.post(
            f"{api.url}/jobs", content=spec, headers={"Content-Type": "application/json"}
        ).json()
        row = http.post(f"{bare.url}/rows", json={"body": spec}).json()
    return {
        "POST /jobs": make_plan(api, "POST", "/jobs", spec),
        "bare route, one insert": make_plan(bare, "POST", "/rows", json.dumps({"body": spec})),
        "GET /jobs/{id}": make_plan(api, "GET", f"/jobs/{job['id']}"),
        "bare route, one row read": make_plan(bare, "GET", f"/rows/{row['id']}"),
    }


def make_plan(
    address: Address, method: str, path: str, body: str = "", connections: int = CONNECTIONS
) -> dict[str, Any]:
    """What the load generator is told."""
    target = {"host": address.host, "port": address.port, "connections": connections}
    return target | {"method": method, "path": path, "body": body}


def load(plan: dict[str, Any], count: int) -> Figures:
    """Run the load generator in a process of its own."""
    result = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps(plan | {"count": count}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(result.stdout)
    return figures


def print_table(runs: dict[str, list[Figures]], arguments: argparse.Namespace) -> None:
    """Print the medians as a Markdown table."""
    print(
        f"{CONNECTIONS} connections, {arguments.count} requests, medians of {arguments.repeats}:\n"
    )
    print("| route | requests/s | p50 | p99 |\n|---|---|---|---|")
    for name, figures in runs.items():
        rate, p50, p99 = (
            statistics.median(each[key] for each in figures)
            for key in ("per_second", "p50_ms", "p99_ms")
        )
        print(f"| {name} | {rate:,.0f} | {p50:.1f} ms | {p99:.1f} ms |")


if __name__ == "__main__":
    main()
