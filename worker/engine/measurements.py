"""Turns what the passes of an epoch measured into the numbers of the curves."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ridgeline.api.curves import EpochRow
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from worker.engine.passes import Measured


class Passes(NamedTuple):
    """What one epoch measured."""

    trained: Measured
    """In training mode, while the weights changed."""
    sample: Measured
    """A sample of the training rows in inference mode, with the weights at the epoch's end."""
    validated: Measured | None


def epoch_row(
    number: int,
    passes: Passes,
    terms: tuple[PenaltyTerm, ...],
    settings: Mapping[str, float],
    seconds: float,
) -> EpochRow:
    """One row of the curves; `settings` are what the epoch was trained with, by series."""
    values = _values(passes.trained) | _sampled(passes.sample)
    if passes.validated is not None:
        values |= {f"val_{name}": value for name, value in _values(passes.validated).items()}
        values["gap"] = values["val_data_loss"] - values["train_data_loss"]
    # Seven digits: what a float32 holds, so that 0.001 reads as 0.001.
    values |= {name: float(f"{value:.7g}") for name, value in settings.items()}
    by_term = {
        term.key: float(value) for term, value in zip(terms, passes.trained.penalties, strict=True)
    }
    finite_values, nonfinite = finite(values)
    penalty_by_layer, nonfinite_terms = finite(by_term)
    return EpochRow(
        epoch=number,
        values=finite_values,
        penalty_by_layer=penalty_by_layer,
        nonfinite=nonfinite + nonfinite_terms,
        seconds=seconds,
    )


def prefixed(prefix: str, measured: Measured) -> dict[str, float | None]:
    """What an evaluation gave, by name behind `prefix`; null where not finite."""
    return finite({prefix + name: value for name, value in _values(measured).items()})[0]


def finite(values: Mapping[str, float]) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """The values, null where not finite, and the names of those that were not."""
    nonfinite = tuple(name for name, value in values.items() if not math.isfinite(value))
    return {n: None if n in nonfinite else value for n, value in values.items()}, nonfinite


def _values(measured: Measured) -> dict[str, float]:
    """The losses, of which loss = data_loss + penalty, and the metrics."""
    penalty = float(np.sum(measured.penalties))
    losses = {
        "loss": measured.data_loss + penalty,
        "data_loss": measured.data_loss,
        "penalty": penalty,
    }
    return losses | measured.metrics


def _sampled(measured: Measured) -> dict[str, float]:
    values = {"data_loss": measured.data_loss} | measured.metrics
    return {f"train_{name}": value for name, value in values.items()}
