"""POST /jobs and GET /jobs/{id}: latency and rate, beside a bare FastAPI route on SQLite.

    python benchmarks/bench_api.py [--repeats 3] [--count 1000]

The service runs with its broker but without a worker, so nothing trains meanwhile. Both servers run
at once; each run loads one of them, in turns, over 8 connections.
"""

import argparse
import json
import statistics

import httpx

from benchmarks import noise
from benchmarks.servers import (
    CONNECTIONS,
    DEMO,
    Figures,
    Plan,
    Service,
    load_all,
    make_plan,
    post_demo,
    running_api,
    running_bare_route,
)
from ridgeline.cli.local.address import Address


def main() -> None:
    """Start both servers, load them in turns, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000, help="requests of a run")
    arguments = parser.parse_args()
    with noise.reported(), running_api() as api, running_bare_route() as bare:
        plans = make_plans(api, bare)
        load_all(plans, arguments.count // 5)
        runs: dict[str, list[Figures]] = {name: [] for name in plans}
        for _ in range(arguments.repeats):
            for name, figures in load_all(plans, arguments.count).items():
                runs[name].append(figures)
        print_table(runs, arguments)


def make_plans(api: Service, bare: Address) -> dict[str, Plan]:
    """The requests of each run; each GET reads a row that was posted before."""
    spec = DEMO.read_text("utf-8")
    row = httpx.post(f"{bare.url}/rows", json={"body": spec}, trust_env=False).json()
    return {
        "POST /jobs": make_plan(api.address, "POST", "/jobs", spec),
        "bare route, one insert": make_plan(bare, "POST", "/rows", json.dumps({"body": spec})),
        "GET /jobs/{id}": make_plan(api.address, "GET", f"/jobs/{post_demo(api)}"),
        "bare route, one row read": make_plan(bare, "GET", f"/rows/{row['id']}"),
    }


def print_table(runs: dict[str, list[Figures]], arguments: argparse.Namespace) -> None:
    """Print the medians as a Markdown table."""
    print(
        f"{CONNECTIONS} connections, {arguments.count} requests, medians of {arguments.repeats}:\n"
    )
    print("| route | requests/s | p50 | p99 |\n|---|---|---|---|")
    for name, figures in runs.items():
        rates = [run["per_second"] for run in figures]
        p50, p99 = (statistics.median(run[key] for run in figures) for key in ("p50_ms", "p99_ms"))
        rate = noise.with_range(rates, ",.0f", "")
        print(f"| {name} | {rate} | {p50:.1f} ms | {p99:.1f} ms |")


if __name__ == "__main__":
    main()
