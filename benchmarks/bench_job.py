"""The digits job: POST to `succeeded` on a running service, against a plain Keras script.

    python benchmarks/bench_job.py [--repeats 3]

Both sides train the same network on the same data for the same epochs and write the same files,
in turns, each as a user runs it: `python keras_baseline.py FOLDER`, and a POST with
`Prefer: wait` to a service that `ridgeline up` started. One run of each comes first and does not
count, so that byte code is compiled and files are cached for both.
"""

import argparse
import json
import os
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
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "ridgeline" / "cli" / "demo.json"
BASELINE = Path(__file__).with_name("keras_baseline.py")
VARIANTS = {"model.keras": ["keras"], "model.keras and SavedModel": ["keras", "saved_model"]}
START_S = 60.0
JOB_S = 120
MIB = 2**20


def main() -> None:
    """Start the service, run both sides in turns, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with running_service() as service, httpx.Client(base_url=service.url, trust_env=False) as http:
        results = {name: compare(http, outputs, repeats) for name, outputs in VARIANTS.items()}
        resident = service.api_resident_bytes()
    print_jobs(results, repeats)
    print_service(service.healthz_s, resident)


@dataclass(frozen=True)
class Service:
    """A service that `ridgeline up` started."""

    process: psutil.Process
    url: str
    healthz_s: float
    """From the start of the command to the first answer of /healthz."""

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
            [*command, "--port", str(port), "--home", home], env=_environment()
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
    sys.exit("the service did not start")


def _environment() -> dict[str, str]:
    """The same for both sides; byte code is written, as it is where it is installed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@dataclass(frozen=True)
class Comparison:
    """Seconds of both sides, one entry a run."""

    plain: list[float]
    ours: list[float]
    inside: list[dict[str, float]]
    """What the plain script measured itself."""


def compare(http: httpx.Client, outputs: list[str], repeats: int) -> Comparison:
    """Run both sides in turns; the first turn does not count."""
    result = Comparison([], [], [])
    for turn in range(repeats + 1):
        plain_s, inside = run_baseline(outputs)
        ours_s, job = post_job(http, outputs)
        assert abs(job["metrics"]["test_accuracy"] - inside["test_accuracy"]) < 0.05
        if turn > 0:
            result.plain.append(plain_s)
            result.ours.append(ours_s)
            result.inside.append(inside)
    return result


def run_baseline(outputs: list[str]) -> tuple[float, dict[str, float]]:
    """Run the plain script; its seconds from start to exit, and what it measured."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--saved-model"] if "saved_model" in outputs else []
        command = [sys.executable, str(BASELINE), *options, folder]
        started = time.perf_counter()
        result = subprocess.run(
            command, env=_environment(), capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
    if result.returncode != 0:
        sys.exit(f"{BASELINE.name} failed:\n{result.stderr}")
    inside: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return seconds, inside


def post_job(http: httpx.Client, outputs: list[str]) -> tuple[float, dict[str, Any]]:
    """Post the digits job and wait in the same request; seconds until it has succeeded."""
    spec = json.loads(DEMO.read_text("utf-8"))
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
        plain, ours = statistics.median(result.plain), statistics.median(result.ours)
        print(f"| {name} | {plain:.2f} s | {ours:.2f} s | {plain / ours:.1f}x |")
    inside = [each for result in results.values() for each in result.inside]
    import_s, fit_s = (
        statistics.median(each[key] for each in inside) for key in ("import_s", "fit_s")
    )
    print(f"\nOf the plain script's time {import_s:.1f} s is import and {fit_s:.1f} s is `fit`.")


def print_service(healthz_s: float, resident: int) -> None:
    """Print what the service itself takes."""
    print("\n| service | measured | bound |\n|---|---|---|")
    print(f"| `ridgeline up` to the first /healthz | {healthz_s:.2f} s | 3 s |")
    print(f"| API process, resident after the jobs | {resident / MIB:.0f} MiB | 120 MB |")


if __name__ == "__main__":
    main()
