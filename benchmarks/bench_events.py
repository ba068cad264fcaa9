"""Delay from the end of an epoch to its arrival in 50 open event streams.

    python benchmarks/bench_events.py [--streams 50] [--database postgresql]

The demo's network trains on a real worker, its epochs back to back and with a pause after each. The
trainer's clock gives the end, the clients' clock the arrival; both run on this machine. Then the
same streams are open for a queued job, to measure what idle streams cost the API.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

from benchmarks import noise
from benchmarks.servers import (
    DATABASES,
    DEMO,
    HERE,
    STOP_S,
    Figures,
    Service,
    databases,
    environment,
    post_demo,
    running_api,
    wait,
)
from benchmarks.stamped.engine import STAMP
from ridgeline.cli.local.children import Child, stop_all

Pause = tuple[float, int]
PAUSES: tuple[Pause, ...] = ((0.0, 400), (0.3, 30), (2.0, 6))


def main() -> None:
    """Measure one pause after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--idle-s", type=float, default=10.0, help="seconds of idle streams")
    parser.add_argument(
        "--pauses",
        nargs="+",
        type=_pause,
        default=PAUSES,
        metavar="SECONDS:EPOCHS",
        help="pause after each epoch, and the number of epochs",
    )
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        stack.enter_context(noise.reported())
        url = stack.enter_context(databases(arguments.database))()
        api = stack.enter_context(running_api(url))
        with running_worker(api):
            print(f"{arguments.database}, {arguments.streams} streams:\n")
            print("| pause after an epoch | epochs | events | p50 | p99 | slowest |")
            print("|---|---|---|---|---|---|")
            for pause in arguments.pauses:
                print_row(pause, follow(api, arguments.streams, pause))
        print_idle(api, arguments.streams, arguments.idle_s)


def _pause(text: str) -> Pause:
    seconds, _, epochs = text.partition(":")
    return float(seconds), int(epochs)


@contextmanager
def running_worker(api: Service) -> Iterator[None]:
    """The worker of the package `stamped`, for the service."""
    log = api.folder / "worker.log"
    variables = environment() | {**api.settings, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "benchmarks.stamped"]
    worker = Child("worker", command, log=log, environment=variables)
    try:
        wait(worker, lambda: "trainers_warm" in log.read_text("utf-8"))
        yield
    finally:
        stop_all([worker], grace_s=STOP_S)


def follow(api: Service, streams: int, pause: Pause) -> Figures:
    """Milliseconds from each epoch's end to its arrival in each stream."""
    seconds, epochs = pause
    with listening(api, submit(api, seconds, epochs), streams) as listener:
        output, _ = listener.communicate()
    figures: Figures = json.loads(output)
    expected = epochs * streams
    if figures["arrived"] != expected:
        sys.exit(f"received {figures['arrived']} epochs in all streams; expected {expected}")
    return figures


def submit(api: Service, pause_s: float, epochs: int) -> str:
    """Post the demo's job, whose name holds the pause; returns its id."""
    training: dict[str, Any] = json.loads(DEMO.read_text("utf-8"))["training"]
    return post_demo(api, name=str(pause_s), training=training | {"epochs": epochs})


@contextmanager
def listening(api: Service, job_id: str, streams: int) -> Iterator["subprocess.Popen[str]"]:
    """All streams of the job, in a process of its own."""
    target = {
        "host": api.address.host,
        "port": api.address.port,
        "path": f"/jobs/{job_id}/events",
    }
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


def print_row(pause: Pause, figures: Figures) -> None:
    """Print one line of the table."""
    seconds, epochs = pause
    cells = " | ".join(f"{figures[name]:.0f} ms" for name in ("p50_ms", "p99_ms", "slowest_ms"))
    print(f"| {seconds:g} s | {epochs} | {figures['live']} | {cells} |", flush=True)


def print_idle(api: Service, streams: int, idle_s: float) -> None:
    """What the streams of a queued job cost the API; the worker has stopped."""
    process = psutil.Process(api.pid)
    with listening(api, submit(api, 0.0, 1), streams):
        time.sleep(idle_s / 2)
        before = sum(process.cpu_times()[:2])
        time.sleep(idle_s)
        share = (sum(process.cpu_times()[:2]) - before) / idle_s
        resident = process.memory_info().rss / 2**20
    print(f"\n{streams} streams of a queued job: {share:.1%} of a core, {resident:.0f} MiB")


if __name__ == "__main__":
    main()
