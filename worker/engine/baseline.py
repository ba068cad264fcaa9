"""The data loss of the best prediction that ignores the features, from the targets alone."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeline.contract.training import LossName

Targets = npt.NDArray[np.float64]

_EPSILON = 1e-7
"""Keras's: what a target is raised to before it divides or has its logarithm taken."""


def constant_baseline(
    loss_name: LossName, y: npt.NDArray[Any], *, label_smoothing: float = 0.0
) -> float | None:
    """The least mean loss that one constant prediction c has on the encoded targets `y`.

    `y` has shape (rows,) for class numbers, else (rows, columns), as the engine encodes it. In
    closed form, with p the class frequencies, columns averaged:

    - crossentropies: the entropy −Σ p·ln p (labels smoothed first), at c = p; KL divergence: the
      same less the mean entropy of the targets;
    - hinge: 2·min(p, 1 − p); squared hinge: 4·p·(1 − p);
    - mean squared error: the variance; the logarithmic one: that of ln(1 + y);
    - mean absolute error: mean |y − median|; the percentage one: with weights 1/|y|.

    None for the losses that have no such form (`huber`, `log_cosh`, `categorical_hinge`), for
    `poisson`, which is not 0 where the prediction is perfect, and where there are no rows or their
    baseline is beyond a float64.
    """
    if len(y) == 0:
        return None
    if loss_name == "sparse_categorical_crossentropy":
        return _entropy(np.bincount(y.reshape(-1).astype(np.int64)) / y.size)
    measure = _BASELINES.get(loss_name)
    if measure is None:
        return None
    targets = y.reshape(len(y), -1).astype(np.float64)
    with np.errstate(over="ignore"):
        baseline = measure(_smoothed(loss_name, targets, label_smoothing))
    return baseline if math.isfinite(baseline) else None


def _smoothed(loss_name: str, targets: Targets, label_smoothing: float) -> Targets:
    """Labels as Keras smooths them: y·(1 − s) + s/classes."""
    classes = {"binary_crossentropy": 2, "categorical_crossentropy": targets.shape[1]}
    if not label_smoothing or loss_name not in classes:
        return targets
    return targets * (1 - label_smoothing) + label_smoothing / classes[loss_name]


def _categorical(targets: Targets) -> float:
    return _entropy(targets.mean(axis=0))


def _binary(targets: Targets) -> float:
    frequencies = targets.mean(axis=0)
    return float(np.mean([_entropy(np.array([p, 1 - p])) for p in frequencies]))


def _divergence(targets: Targets) -> float:
    return _entropy(targets.mean(axis=0)) - _entropy(targets) / len(targets)


def _hinge(targets: Targets) -> float:
    share = (targets > 0).mean(axis=0)
    return float(np.mean(2 * np.minimum(share, 1 - share)))


def _squared_hinge(targets: Targets) -> float:
    share = (targets > 0).mean(axis=0)
    return float(np.mean(4 * share * (1 - share)))


def _squared(targets: Targets) -> float:
    return float(np.mean(targets.var(axis=0)))


def _absolute(targets: Targets) -> float:
    return float(np.mean(np.abs(targets - np.median(targets, axis=0))))


def _percentage(targets: Targets) -> float:
    return float(np.mean([_column_percentage(column) for column in targets.T]))


def _column_percentage(column: Targets) -> float:
    """100·mean(|y − c| / |y|) at its least: c is the median weighted by 1/|y|."""
    ordered = np.sort(column)
    weights = 1 / np.maximum(np.abs(ordered), _EPSILON)
    reached = np.cumsum(weights)
    middle = ordered[np.searchsorted(reached, reached[-1] / 2)]
    return float(100 * np.mean(weights * np.abs(ordered - middle)))


def _logarithmic(targets: Targets) -> float:
    return _squared(np.log1p(np.maximum(targets, _EPSILON)))


def _entropy(p: Targets) -> float:
    """−Σ p·ln p over all elements, in nats; 0·ln 0 = 0."""
    present = p[p > 0]
    return float(-np.sum(present * np.log(present)))


_BASELINES: dict[str, Callable[[Targets], float]] = {
    "categorical_crossentropy": _categorical,
    "binary_crossentropy": _binary,
    "kl_divergence": _divergence,
    "hinge": _hinge,
    "squared_hinge": _squared_hinge,
    "mean_squared_error": _squared,
    "mean_absolute_error": _absolute,
    "mean_absolute_percentage_error": _percentage,
    "mean_squared_logarithmic_error": _logarithmic,
}
