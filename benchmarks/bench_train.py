"""Seconds per epoch on the note's networks: Keras's `model.fit` beside Ridgeline's engine.

    python benchmarks/bench_train.py [--epochs 5] [--network NAME ...]

For each network the sides run in processes of their own and train an epoch in turns; medians are
printed. Both validate after every epoch. Then every regularization method at once beside none, and
the CNN's achieved GFLOP/s beside those of a plain matrix product on the same cores.
"""

import argparse
import copy
import json
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks import noise
from benchmarks.servers import DEMO
from benchmarks.sides import Side, product_s
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec

FORWARD_AND_BACKWARD = 3
"""A step takes three times the forward pass: the gradient by weights and by activations too."""
Json = dict[str, Any]


class Case(NamedTuple):
    """A network and the number of its rows."""

    spec: Json
    rows: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--network", nargs="*", choices=list(cases()), default=list(cases()))
    parser.add_argument("--rows", type=int, default=sys.maxsize, help="at most, of each network")
    parser.add_argument("--matrix", type=int, default=2048, help="rows of the plain product")
    arguments = parser.parse_args()
    chosen = {
        name: case._replace(rows=min(case.rows, arguments.rows))
        for name, case in cases().items()
        if name in arguments.network
    }
    with noise.reported():
        print_speed(chosen, arguments.epochs)
        print_product(arguments.matrix)
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
        plain, ours = in_turns(
            [Side(case.spec, case.rows, "fit"), Side(case.spec, case.rows, "ridgeline")], epochs
        )
        cells = " | ".join(noise.with_range(side.seconds, ".3g") for side in (plain, ours))
        speed = flops(case) / ours.median / 1e9
        print(
            f"| {name} | {case.rows:,} | {cells} | {plain.median / ours.median:.1f}x |"
            f" {speed:.1f} |",
            flush=True,
        )


def print_product(rows: int) -> None:
    """The speed that the cores reach without a network."""
    speed = 2 * rows**3 / product_s(rows) / 1e9
    print(f"\nA plain product of two {rows} × {rows} float32 matrices: {speed:.1f} GFLOP/s.\n")


def print_overhead(chosen: dict[str, Case], epochs: int) -> None:
    """Every regularization method at once beside none."""
    print(f"| seconds per epoch, median of {epochs} | without | all methods | cost |")
    print("|---|---|---|---|")
    for name, case in chosen.items():
        specs = (without(case), everything(case))
        plain, full = in_turns([Side(spec, case.rows, "ridgeline") for spec in specs], epochs)
        cells = " | ".join(noise.with_range(side.seconds, ".3g") for side in (plain, full))
        print(f"| {name} | {cells} | {full.median / plain.median - 1:+.0%} |", flush=True)


def in_turns(sides: Sequence[Side], epochs: int) -> Sequence[Side]:
    """Train that many epochs on each side, in turns."""
    for _ in range(epochs):
        for side in sides:
            side.epoch()
    for side in sides:
        side.close()
    return sides


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
        layers.append(
            {
                argument: value
                for argument, value in layer.items()
                if not argument.endswith(("_regularizer", "_constraint"))
            }
        )
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


if __name__ == "__main__":
    main()
