"""The digits job: POST to `succeeded` on a running service, against a plain Keras script.

    python benchmarks/bench_job.py [--repeats 3]

Both sides train the same network on the same data for the same epochs and write the same files,
in turns, each as a user runs it: `python keras_baseline.py FOLDER`, and a POST with
`Prefer: wait` to a service started by `ridgeline up`. A first run of each does not count; after it
byte code is compiled and files are cached for both.
"""

import argparse
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from benchmarks import noise
from benchmarks.servers import DEMO, HERE, environment

BASELINE = HERE / "keras_baseline.py"
VARIANTS = {"model.keras": ["keras"], "model.keras and SavedModel": ["keras", "saved_model"]}
FULL_EPOCHS = 30
"""From here on both sides have converged, and must reach about the same accuracy."""
START_S = 60.0
JOB_S = 120
MIB = 2**20


def main() -> None:
    """Start the service, run both sides in turns, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=FULL_EPOCHS)
    parser.add_argument("--files", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument(
        "--warm-up",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="a first run, uncounted",
    )
    arguments = parser.parse_args()
    with noise.reported():
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    """Start the service, run both sides for each set of files, print the tables."""
    with running_service() as service, httpx.Client(base_url=service.url, trust_env=False) as http:
        results = {name: compare(http, VARIANTS[name], arguments) for name in arguments.files}
        resident = service.api_resident_bytes()
    print_jobs(results, arguments.repeats)
    print_service(service.healthz_s, resident)


@dataclass(frozen=True)
class Service:
    """A service started by `ridgeline up`."""

    process: psutil.Process
    url: str
    healthz_s: float
    """Seconds from the start of the command to the first success of /healthz."""

    def api_resident_bytes(self) -> int:
        """Resident memory of the API's process."""
        children = self.process.children()
        (api,) = [child for child in children if child.cmdline()[-2:] == ["-m", "service"]]
        return int(api.memory_info().rss)


@contextmanager
def running_service() -> Iterator[Service]:
    """Run `ridgeline up` on a free port with an empty home, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ridgeline-bench-") as home:
        command = [sys.executable, "-m", "ridgeline.cli.main", "up"]
        started = time.perf_counter()
        with subprocess.Popen(
            [*command, "--port", str(port), "--home", home], env=environment()
        ) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                healthz_s = _until_healthy(url, process, started)
                yield Service(psutil.Process(process.pid), url, healthz_s)
            finally:
                process.send_signal(signal.SIGINT)


def _until_healthy(url: str, process: subprocess.Popen[bytes], started: float) -> float:
    with httpx.Client(trust_env=False) as http:
        while process.poll() is None and time.perf_counter() - started < START_S:
            try:
                if http.get(f"{url}/healthz").is_success:
                    return time.perf_counter() - started
            except httpx.TransportError:
                time.sleep(0.01)
    sys.exit(f"the service did not answer within {START_S:g} s")


@dataclass(frozen=True)
class Comparison:
    """Seconds of both sides, one entry a run."""

    plain: list[float]
    ours: list[float]
    inside: list[dict[str, float]]
    """The figures that the plain script printed."""


def compare(http: httpx.Client, outputs: list[str], arguments: argparse.Namespace) -> Comparison:
    """Run both sides in turns; a warm-up does not count."""
    result = Comparison([], [], [])
    for turn in range(-1 if arguments.warm_up else 0, arguments.repeats):
        plain_s, inside = run_baseline(outputs, arguments.epochs)
        ours_s, job = post_job(http, outputs, arguments.epochs)
        difference = abs(job["metrics"]["test_accuracy"] - inside["test_accuracy"])
        assert arguments.epochs < FULL_EPOCHS or difference < 0.05
        if turn >= 0:
            result.plain.append(plain_s)
            result.ours.append(ours_s)
            result.inside.append(inside)
    return result


def run_baseline(outputs: list[str], epochs: int) -> tuple[float, dict[str, float]]:
    """Run the plain script; its seconds from start to exit, and the figures it printed."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--saved-model"] if "saved_model" in outputs else []
        command = [sys.executable, str(BASELINE), *options, f"--epochs={epochs}", folder]
        started = time.perf_counter()
        result = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
    if result.returncode != 0:
        sys.exit(f"{BASELINE.name} failed:\n{result.stderr}")
    inside: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return seconds, inside


def post_job(http: httpx.Client, outputs: list[str], epochs: int) -> tuple[float, dict[str, Any]]:
    """Post the digits job and wait in the same request; seconds until it has succeeded."""
    spec = json.loads(DEMO.read_text("utf-8"))
    spec["training"]["epochs"] = epochs
    started = time.perf_counter()
    answer = http.post(
        "/jobs",
        json=spec | {"outputs": outputs},
        headers={"Prefer": f"wait={JOB_S}"},
        timeout=JOB_S + 10,
    )
    job: dict[str, Any] = answer.json()
    while job["status"] in ("queued", "running"):  # the first one, while the worker starts
        answer = http.get(f"/jobs/{job['id']}", params={"wait": 20}, timeout=30)
        job = answer.json()
    seconds = time.perf_counter() - started
    assert job["status"] == "succeeded", job
    return seconds, job


def print_jobs(results: dict[str, Comparison], repeats: int) -> None:
    """Print the medians as a Markdown table."""
    print(
        f"\n| digits job, medians of {repeats} | `python train.py` | POST to `succeeded` | ratio |"
    )
    print("|---|---|---|---|")
    for name, result in results.items():
        ratio = statistics.median(result.plain) / statistics.median(result.ours)
        plain, ours = noise.with_range(result.plain), noise.with_range(result.ours)
        print(f"| {name} | {plain} | {ours} | {ratio:.1f}x |")
    inside = [figures for result in results.values() for figures in result.inside]
    import_s, fit_s = (
        statistics.median(figures[key] for figures in inside) for key in ("import_s", "fit_s")
    )
    print(f"\nOf the plain script's time {import_s:.1f} s is import and {fit_s:.1f} s is `fit`.")


def print_service(healthz_s: float, resident: int) -> None:
    """Print the start-up time and the memory of the service."""
    print("\n| service | measured | bound |\n|---|---|---|")
    print(f"| `ridgeline up` to the first /healthz | {healthz_s:.2f} s | 3 s |")
    print(f"| API process, resident after the jobs | {resident / MIB:.0f} MiB | 150 MiB |")


if __name__ == "__main__":
    main()
