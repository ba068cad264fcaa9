"""Seconds per epoch on the note's networks: Keras's `model.fit` beside Ridgeline's engine.

    python benchmarks/bench_train.py [--epochs 5] [--network NAME ...]

For each network the sides run in processes of their own and train an epoch in turns; medians are
printed. Both validate after every epoch. Then every regularization method at once beside none, and
the CNN's achieved GFLOP/s beside those of a plain matrix product on the same cores.
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "ridgeline" / "cli" / "demo.json"
SIDE = Path(__file__).with_name("training_side.py")
FORWARD_AND_BACKWARD = 3
"""A step takes three times the forward pass: the gradient by weights and by activations too."""
Json = dict[str, Any]


class Case(NamedTuple):
    """A network, and on how many rows it is trained."""

    spec: Json
    rows: int


class Side:
    """A process that trains an epoch whenever it is told to."""

    def __init__(self, spec: Json, rows: int, side: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, str(SIDE), json.dumps(spec), str(rows), side],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.seconds: list[float] = []
        self._line()

    def epoch(self) -> None:
        """Train one."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.seconds.append(float(self._line()))

    @property
    def median(self) -> float:
        """Seconds of the median epoch."""
        return statistics.median(self.seconds)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(map(str, self._process.args[1:]))[:200]} failed")  # type: ignore[index]
        return line


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--network", nargs="*", choices=list(cases()), default=list(cases()))
    arguments = parser.parse_args()
    chosen = {name: case for name, case in cases().items() if name in arguments.network}
    print_speed(chosen, arguments.epochs)
    print()
    print_overhead(chosen, arguments.epochs)


def cases() -> dict[str, Case]:
    """The networks of the note, and the digits MLP of the demo."""
    images = {"source": "keras", "name": "cifar10"}
    adam = {"optimizer": "adam", "metrics": ["accuracy"]}
    classes = {"loss": "sparse_categorical_crossentropy", **adam}
    return {
        "digits MLP 64-64-10": Case(json.loads(DEMO.read_text("utf-8")), 1797),
        "IMDB MLP 16-16-1": Case(
            {
                "dataset": {"source": "keras", "name": "imdb"},
                "model": {"preset": "imdb_mlp"},
                "training": {"loss": "binary_crossentropy", "batch_size": 512, **adam},
            },
            25_000,
        ),
        "CIFAR-10 CNN": Case(
            {
                "dataset": images,
                "model": {"preset": "cifar10_cnn"},
                "training": {"batch_size": 64, **classes},
            },
            8_000,
        ),
        "VGG-like 100x100x3": Case(
            {
                "dataset": images,
                "model": {"preset": "vgg_like"},
                "training": {"batch_size": 32, **classes},
            },
            640,
        ),
    }


def print_speed(chosen: dict[str, Case], epochs: int) -> None:
    """`model.fit` beside the engine."""
    print(
        f"| seconds per epoch, median of {epochs} | rows | `model.fit` | Ridgeline | ratio |"
        " GFLOP/s |"
    )
    print("|---|---|---|---|---|---|")
    for name, case in chosen.items():
        sides = [Side(case.spec, case.rows, side) for side in ("fit", "ridgeline")]
        plain, ours = in_turns(sides, epochs)
        speed = flops(case) / ours / 1e9
        print(
            f"| {name} | {case.rows:,} | {plain:.4f} | {ours:.4f} | {plain / ours:.1f}x |"
            f" {speed:.1f} |",
            flush=True,
        )
    print(f"\nA plain product of two 2048 × 2048 float32 matrices: {matrix_product():.1f} GFLOP/s.")


def print_overhead(chosen: dict[str, Case], epochs: int) -> None:
    """Every regularization method at once beside none."""
    print(f"| seconds per epoch, median of {epochs} | without | all methods | cost |")
    print("|---|---|---|---|")
    for name, case in chosen.items():
        sides = [Side(spec, case.rows, "ridgeline") for spec in (without(case), everything(case))]
        plain, full = in_turns(sides, epochs)
        print(f"| {name} | {plain:.4f} | {full:.4f} | {full / plain - 1:+.0%} |", flush=True)


def in_turns(sides: Sequence[Side], epochs: int) -> list[float]:
    """Train so many epochs on each side, one after the other; the medians."""
    for _ in range(epochs):
        for side in sides:
            side.epoch()
    for side in sides:
        side.close()
    return [side.median for side in sides]


def without(case: Case) -> Json:
    """The same network without any regularization."""
    resolved = resolve(JobSpec.model_validate_json(json.dumps(case.spec)), memory_limit=None)
    spec: Json = json.loads(resolved.spec.model_dump_json())
    above: dict[str, list[str]] = {}
    layers = []
    for layer in spec["model"]["layers"]:
        layer["inputs"] = [
            name for source in layer["inputs"] for name in above.get(source, [source])
        ]
        if layer["type"] == "Dropout":
            above[layer["name"]] = layer["inputs"]
            continue
        for argument in [each for each in layer if each.endswith(("_regularizer", "_constraint"))]:
            del layer[argument]
        layers.append(layer)
    spec["model"]["layers"] = layers
    spec["training"]["optimizer"] |= {"weight_decay": None}
    return spec


def everything(case: Case) -> Json:
    """L1, L2, a penalty on biases and outputs, max-norm, dropout, clipping, decay and averaging."""
    spec = copy.deepcopy(without(case))
    spec["regularization"] = {
        "weights": {"l1": 1e-6, "l2": 1e-4},
        "bias": {"l2": 1e-4},
        "activity": {"l2": 1e-6},
        "constraint": {"type": "MaxNorm", "max_value": 4},
        "dropout": {"rate": 0.3, "after": ["dense", "pooling"]},
    }
    spec["training"]["optimizer"] |= {
        "weight_decay": 1e-4,
        "global_clipnorm": 1.0,
        "use_ema": True,
    }
    return spec


def flops(case: Case) -> float:
    """Floating-point operations of an epoch's kernels: two for each multiply-add."""
    resolved = resolve(JobSpec.model_validate_json(json.dumps(case.spec)), memory_limit=None)
    trained, measured = 0.8 * case.rows, 0.2 * case.rows + min(1024, 0.8 * case.rows)
    return 2 * resolved.graph.multiply_adds * (FORWARD_AND_BACKWARD * trained + measured)


def matrix_product() -> float:
    """GFLOP/s of the matrix product TensorFlow computes on these cores."""
    code = (
        "import time, tensorflow as tf; a = tf.random.normal([2048, 2048]); f = tf.function("
        "lambda x: tf.matmul(x, x)); f(a); times = []\n"
        "for _ in range(9):\n"
        "    t = time.perf_counter(); f(a).numpy(); times.append(time.perf_counter() - t)\n"
        "print(2 * 2048**3 / sorted(times)[4] / 1e9)"
    )
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return float(result.stdout)


if __name__ == "__main__":
    main()
