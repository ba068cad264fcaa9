"""Seconds per epoch on the digits MLP: Keras's `model.fit` against Ridgeline's compiled epoch.

    python benchmarks/bench_epoch.py [--repeats 3]

Each side runs in a process of its own, in turns, and both validate after every epoch. The first
epoch, which traces the network, does not count on either side.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import noise
from benchmarks.servers import DEMO, HERE, environment


def main() -> None:
    """Run both sides in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30, help="of a run; 2 or more")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        print(json.dumps({"epoch_s": seconds_per_epoch(arguments.epochs)}))
        return
    with noise.reported():
        compare(arguments.repeats, arguments.epochs)


def compare(repeats: int, epochs: int) -> None:
    """Run both sides in turns, and print the medians."""
    plain, ours = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            plain.append(_epoch_s([str(HERE / "keras_baseline.py"), folder], epochs))
            ours.append(_epoch_s([__file__, "--engine"], epochs))
    ratio = statistics.median(plain) / statistics.median(ours)
    print("| seconds per epoch, digits MLP | `model.fit` | Ridgeline | ratio |")
    print("|---|---|---|---|")
    cells = " | ".join(noise.with_range(side, ".4f") for side in (plain, ours))
    print(f"| median of {repeats} | {cells} | {ratio:.1f}x |")


def _epoch_s(command: list[str], epochs: int) -> float:
    result = subprocess.run(
        [sys.executable, *command, f"--epochs={epochs}"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{result.stderr}")
    return float(json.loads(result.stdout.splitlines()[-1])["epoch_s"])


def seconds_per_epoch(epochs: int) -> float:
    """Train the demo's job with the engine alone; the mean of the epochs after the first."""
    # Imported here: the process that compares needs no TensorFlow.
    from ridgeline.spec.job_spec import JobSpec  # noqa: PLC0415
    from worker.engine import devices  # noqa: PLC0415
    from worker.engine.context import InMemoryContext  # noqa: PLC0415
    from worker.engine.train import train  # noqa: PLC0415

    demo = json.loads(DEMO.read_text("utf-8"))
    demo["training"]["epochs"] = epochs
    spec = JobSpec.model_validate(demo)
    devices.prepare(spec)
    with tempfile.TemporaryDirectory() as folder:
        context = InMemoryContext(Path(folder))
        train(spec, context)
    return statistics.mean(row.seconds for row in context.rows[1:])


if __name__ == "__main__":
    main()
