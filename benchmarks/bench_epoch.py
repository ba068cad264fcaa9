"""Seconds per epoch on the digits MLP: Keras's `model.fit` against Ridgeline's compiled epoch.

    python benchmarks/bench_epoch.py [--repeats 3]

Each side runs in a process of its own, in turns, and both validate after every epoch. The first
epoch, which traces the network, is left out on both sides.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "ridgeline" / "cli" / "demo.json"
BASELINE = Path(__file__).with_name("keras_baseline.py")


def main() -> None:
    """Run both sides in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        print(json.dumps({"epoch_s": seconds_per_epoch()}))
        return
    plain, ours = [], []
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            plain.append(_measured([str(BASELINE), folder]))
            ours.append(_measured([__file__, "--engine"]))
    fit, compiled = statistics.median(plain), statistics.median(ours)
    print("| seconds per epoch, digits MLP | `model.fit` | Ridgeline | ratio |")
    print("|---|---|---|---|")
    print(f"| median of {arguments.repeats} | {fit:.4f} | {compiled:.4f} | {fit / compiled:.1f}x |")


def _measured(command: list[str]) -> float:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{result.stderr}")
    return float(json.loads(result.stdout.splitlines()[-1])["epoch_s"])


def seconds_per_epoch() -> float:
    """Train the demo's job with the engine alone; the mean time of an epoch after the first."""
    # Imported here: the process that compares needs no TensorFlow.
    from ridgeline.spec.job_spec import JobSpec  # noqa: PLC0415
    from worker.engine import devices  # noqa: PLC0415
    from worker.engine.context import InMemoryContext  # noqa: PLC0415
    from worker.engine.train import train  # noqa: PLC0415

    spec = JobSpec.model_validate_json(DEMO.read_text("utf-8"))
    devices.prepare(spec)
    with tempfile.TemporaryDirectory() as folder:
        context = InMemoryContext(Path(folder))
        train(spec, context)
    return statistics.mean(row.seconds for row in context.rows[1:])


if __name__ == "__main__":
    main()
