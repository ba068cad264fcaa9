"""Sample curves of many kinds and a report for the chart tests."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ridgeline.api.curves import Curves, EpochRow, columns
from ridgeline.api.report import Environment, Histogram, Report, Verdict, WeightReport

JOB_ID = f"job_{'0' * 32}"
NONE: Mapping[str, float | None] = {}
TERMS = ("dense/kernel/l2", "dense_1/kernel/l2")


def row(
    epoch: int,
    changes: Mapping[str, float | None] = NONE,
    *,
    terms: Sequence[str] = TERMS,
    scale: float = 1.0,
) -> EpochRow:
    """An epoch as a worker records it; None in `changes` marks a value that was not finite."""
    by_term = {name: scale * 0.2 / (index + 1) for index, name in enumerate(terms)}
    penalty = sum(by_term.values())
    training, validation = scale * 2 / epoch, scale * (2 / epoch + 0.01 * epoch)
    values: dict[str, float | None] = {
        "loss": training + penalty,
        "data_loss": training,
        "penalty": penalty,
        "accuracy": 1 - 0.5 / epoch,
        "train_data_loss": training * 0.9,
        "train_accuracy": 1 - 0.4 / epoch,
        "val_loss": validation + penalty,
        "val_data_loss": validation,
        "val_penalty": penalty,
        "val_accuracy": 1 - 0.6 / epoch,
        "gap": validation - training * 0.9,
        "learning_rate": 0.001,
    }
    nonfinite = tuple(name for name, value in changes.items() if value is None)
    return EpochRow(
        epoch=epoch,
        values={**values, **changes},
        penalty_by_layer={**by_term},
        nonfinite=nonfinite,
        seconds=0.1,
    )


def curves(rows: Sequence[EpochRow]) -> Curves:
    return columns(JOB_ID, list(rows), complete=True)


def run(epochs: int, without: Sequence[str] = (), **options: Any) -> Curves:
    """Curves of `epochs` epochs, less the series whose name contains one of `without`."""
    rows = [row(epoch, **options) for epoch in range(1, epochs + 1)]
    kept = [
        epoch_row.model_copy(
            update={
                "values": {
                    name: value
                    for name, value in epoch_row.values.items()
                    if not any(part in name for part in without)
                }
            }
        )
        for epoch_row in rows
    ]
    return curves(kept)


def diverged(epochs: int, since: int) -> Curves:
    """Curves whose losses are not finite from epoch `since`."""
    broken: dict[str, float | None] = dict.fromkeys(
        ("loss", "data_loss", "train_data_loss", "val_data_loss", "gap")
    )
    return curves([row(epoch, broken if epoch >= since else {}) for epoch in range(1, epochs + 1)])


LEGACY = curves(
    [
        EpochRow(
            epoch=epoch,
            values={"loss": 1 / epoch, "val_loss": 2 / epoch},
            penalty_by_layer={},
            seconds=1,
        )
        for epoch in range(1, 9)
    ]
)
"""Curves of a release that recorded only the total loss."""

CASES: dict[str, Curves] = {
    "no epoch": curves([]),
    "one epoch": run(1),
    "three epochs": run(3),
    "many epochs": run(210),
    "diverged": diverged(12, since=9),
    "diverged at once": diverged(1, since=1),
    "without validation": run(20, without=("val_", "gap")),
    "without accuracy": run(20, without=("accuracy",)),
    "forty layers": run(20, terms=[f"block_{n}/kernel/l2" for n in range(40)]),
    "long names": run(20, terms=[f"{'a_long_name_' * 5}{n}.x[0]/kernel/l2" for n in range(3)]),
    "huge": run(20, scale=1e300),
    "tiny": run(20, scale=1e-300),
    "a spike": curves(
        [
            row(epoch, {"loss": 1e9, "val_data_loss": 1e9} if epoch == 5 else {})
            for epoch in range(1, 41)
        ]
    ),
    "zeros": curves(
        [
            row(epoch, {"train_data_loss": 0.0, "val_data_loss": 10.0 ** -(epoch % 9)})
            for epoch in range(1, 41)
        ]
    ),
    "negative": curves(
        [
            row(epoch, {"train_data_loss": -1.0, "val_data_loss": -1 + 1 / epoch})
            for epoch in range(1, 21)
        ]
    ),
    "legacy": LEGACY,
}


def weight(layer: str, size: int = 64, peak: int = 5) -> WeightReport:
    """A weight with an even histogram except for its middle bin."""
    edges = tuple(float(f"{math.sinh(-1 + index / 16):.7g}") for index in range(33))
    counts = tuple(peak if index == 16 else 2 for index in range(32))
    return WeightReport(
        layer=layer,
        name="kernel",
        shape=(size // 8, 8),
        size=size,
        l1_norm=1.0,
        l2_norm=0.5,
        max_unit_norm=0.5,
        zero_share=0.0,
        nearly_zero_share=0.25,
        units=8,
        cancelled_units=0,
        negligible_units=0,
        shrinkage=None,
        histogram=Histogram(edges=edges, counts=counts),
    )


def report(weights: Sequence[WeightReport], nonfinite: Sequence[str] = ()) -> Report:
    return Report(
        verdict=Verdict.GOOD,
        evidence=(),
        epochs=3,
        best_epoch=3,
        gap=0.1,
        gap_share=0.05,
        reference=2.0,
        baseline=2.0,
        losses={},
        penalty_share=None,
        penalties=(),
        weights=tuple(weights),
        nonfinite_weights=tuple(nonfinite),
        histograms_left_out=0,
        raises=(),
        suggestions=(),
        environment=Environment(python="3", keras="3", tensorflow="2", numpy="2", devices=()),
    )


REPORT = report([weight("dense"), weight("dense_1", peak=900)])
