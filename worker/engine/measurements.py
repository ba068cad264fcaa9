"""Turns what a pass measured into the numbers of the curves."""

import math
import time
from collections.abc import Mapping

import numpy as np

from ridgeline.contract.curves import EpochRow
from worker.engine.epoch import Measured
from worker.engine.objective import Objective


def epoch_row(
    number: int,
    objective: Objective,
    trained: Measured,
    validated: Measured | None,
    started: float,
) -> EpochRow:
    """One row of the curves; `started` is the epoch's `time.perf_counter()`.

    Reading the tensors waits for the device, so the seconds are those of the finished epoch.
    """
    values, nonfinite = values_of(trained)
    if validated is not None:
        val_values, val_nonfinite = values_of(validated, prefix="val_")
        values, nonfinite = values | val_values, nonfinite + val_nonfinite
    # Seven digits: what a float32 holds, so that 0.001 reads as 0.001.
    values["learning_rate"] = float(f"{float(objective.optimizer.learning_rate):.7g}")
    terms = {
        term.key: float(value)
        for term, value in zip(objective.penalties.terms, trained.penalties.numpy(), strict=True)
    }
    penalty_by_layer, nonfinite_terms = _finite(terms)
    return EpochRow(
        epoch=number,
        values=values,
        penalty_by_layer=penalty_by_layer,
        nonfinite=nonfinite + nonfinite_terms,
        seconds=time.perf_counter() - started,
    )


def values_of(
    measured: Measured, prefix: str = ""
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """The pass's values by name, null where not finite, and the names that were not.

    loss = data_loss + penalty.
    """
    data_loss = float(measured.data_loss)
    penalty = float(np.sum(measured.penalties.numpy()))
    values = {"loss": data_loss + penalty, "data_loss": data_loss, "penalty": penalty}
    values |= {name: float(value) for name, value in measured.metrics.items()}
    return _finite({prefix + name: value for name, value in values.items()})


def _finite(values: Mapping[str, float]) -> tuple[dict[str, float | None], tuple[str, ...]]:
    nonfinite = tuple(name for name, value in values.items() if not math.isfinite(value))
    return {n: None if n in nonfinite else value for n, value in values.items()}, nonfinite
