"""The data loss of the best prediction that ignores the features, from the targets alone."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeline.spec.training import LossName

Targets = npt.NDArray[np.float64]

_EPSILON = 1e-7
"""Keras's: what a target is raised to before it divides or has its logarithm taken."""


def constant_baseline(
    loss_name: LossName,
    y: npt.NDArray[Any],
    *,
    label_smoothing: float = 0.0,
    row_weights: npt.NDArray[Any] | None = None,
) -> float | None:
    """The least mean loss that one constant prediction c has on the encoded targets `y`.

    `y` has shape (rows,) for class numbers, else (rows, columns), as the engine encodes it. In
    closed form, with p the class frequencies, columns averaged:

    - crossentropies: the entropy −Σ p·ln p (labels smoothed first), at c = p; KL divergence: the
      same less the mean entropy of the targets;
    - hinge: 2·min(p, 1 − p); squared hinge: 4·p·(1 − p);
    - mean squared error: the variance; the logarithmic one: that of ln(1 + y);
    - mean absolute error: mean |y − median|; the percentage one: with weights 1/|y|.

    With `row_weights`, shape (rows,), c is the constant that training prefers, whose loss the rows
    count alike in, as the curves measure it: −Σ p·ln q with q the weighted frequencies, and so on.

    None for the losses that have no such form (`huber`, `log_cosh`, `categorical_hinge`), for
    `poisson`, which is not 0 where the prediction is perfect, and where there are no rows or their
    baseline is beyond a float64; with weights for the absolute errors too.
    """
    if len(y) == 0:
        return None
    if row_weights is not None and (loss_name in _UNWEIGHTED or not np.any(row_weights)):
        return None
    weights = np.ones(len(y)) if row_weights is None else row_weights.astype(np.float64)
    with np.errstate(over="ignore", divide="ignore"):
        baseline = _measured(loss_name, y, weights, label_smoothing)
    return baseline if baseline is not None and math.isfinite(baseline) else None


def perfect_loss(loss_name: LossName, columns: int, *, label_smoothing: float) -> float:
    """The loss of a perfect prediction: the entropy of a smoothed label, 0 without smoothing.

    With s the smoothing and k the classes (2 for the binary loss): −Σ q·ln q over q = 1 − s + s/k
    once and s/k otherwise.
    """
    classes = {"binary_crossentropy": 2, "categorical_crossentropy": columns}.get(loss_name)
    if not label_smoothing or classes is None:
        return 0.0
    label = np.full(classes, label_smoothing / classes)
    label[0] += 1 - label_smoothing
    return _crossentropy(label, label)


def _measured(
    loss_name: LossName, y: npt.NDArray[Any], weights: Targets, label_smoothing: float
) -> float | None:
    if loss_name == "sparse_categorical_crossentropy":
        classes = y.reshape(-1).astype(np.int64)
        preferred = np.bincount(classes, weights) / np.sum(weights)
        return _crossentropy(np.bincount(classes) / y.size, preferred)
    measure = _BASELINES.get(loss_name)
    if measure is None:
        return None
    targets = y.reshape(len(y), -1).astype(np.float64)
    return measure(_smoothed(loss_name, targets, label_smoothing), weights)


def _smoothed(loss_name: str, targets: Targets, label_smoothing: float) -> Targets:
    """Labels as Keras smooths them: y·(1 − s) + s/classes."""
    classes = {"binary_crossentropy": 2, "categorical_crossentropy": targets.shape[1]}
    if not label_smoothing or loss_name not in classes:
        return targets
    return targets * (1 - label_smoothing) + label_smoothing / classes[loss_name]


def _categorical(targets: Targets, weights: Targets) -> float:
    return _crossentropy(targets.mean(axis=0), _mean(targets, weights))


def _binary(targets: Targets, weights: Targets) -> float:
    columns = zip(targets.mean(axis=0), _mean(targets, weights), strict=True)
    both = [_crossentropy(np.array([p, 1 - p]), np.array([q, 1 - q])) for p, q in columns]
    return float(np.mean(both))


def _divergence(targets: Targets, weights: Targets) -> float:
    return _categorical(targets, weights) - _crossentropy(targets, targets) / len(targets)


def _hinge(targets: Targets, weights: Targets) -> float:
    """Mean max(1 − y·c, 0) with y = ±1 and c the sign of the classes' difference, 0 of equals."""
    signs = np.where(targets > 0, 1.0, -1.0)
    constant = np.sign(np.round(_mean(signs, weights), 9))
    return float(np.mean(1 - constant * signs.mean(axis=0)))


def _squared_hinge(targets: Targets, weights: Targets) -> float:
    return _squared(np.where(targets > 0, 1.0, -1.0), weights)


def _squared(targets: Targets, weights: Targets) -> float:
    distance = targets.mean(axis=0) - _mean(targets, weights)
    return float(np.mean(targets.var(axis=0) + np.square(distance)))


def _absolute(targets: Targets, weights: Targets) -> float:
    del weights
    return float(np.mean(np.abs(targets - np.median(targets, axis=0))))


def _percentage(targets: Targets, weights: Targets) -> float:
    del weights
    return float(np.mean([_column_percentage(column) for column in targets.T]))


def _column_percentage(column: Targets) -> float:
    """100·mean(|y − c| / |y|) at its least: c is the median weighted by 1/|y|."""
    ordered = np.sort(column)
    weights = 1 / np.maximum(np.abs(ordered), _EPSILON)
    reached = np.cumsum(weights)
    middle = ordered[np.searchsorted(reached, reached[-1] / 2)]
    return float(100 * np.mean(weights * np.abs(ordered - middle)))


def _logarithmic(targets: Targets, weights: Targets) -> float:
    return _squared(np.log1p(np.maximum(targets, _EPSILON)), weights)


def _mean(values: Targets, weights: Targets) -> Targets:
    """Of each column."""
    return np.asarray(weights @ values / np.sum(weights))


def _crossentropy(p: Targets, q: Targets) -> float:
    """−Σ p·ln q over all elements, in nats; 0·ln 0 = 0."""
    present = p > 0
    return float(-np.sum(p[present] * np.log(q[present])))


_UNWEIGHTED = {"mean_absolute_error", "mean_absolute_percentage_error"}
_BASELINES: dict[str, Callable[[Targets, Targets], float]] = {
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
