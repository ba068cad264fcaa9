"""The formulas in the losses' docstrings, which the reference lists, give Keras's numbers."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest

from ridgeline.spec.training.losses import LOSSES, LossName
from worker.engine.objective import build_loss

Array = npt.NDArray[np.float64]
Formula = Callable[[Array, Array], Array]
ROWS, COLUMNS = 7, 4
RANDOM = np.random.default_rng(3)
CLASSES = RANDOM.integers(0, COLUMNS, ROWS)
OTHERS = np.arange(COLUMNS) != CLASSES[:, np.newaxis]
ONE_HOT = np.eye(COLUMNS)[CLASSES]
BINARY = RANDOM.integers(0, 2, (ROWS, 1)).astype(float)
COUNTS = RANDOM.poisson(3.0, (ROWS, 1)).astype(float)
VALUES = RANDOM.normal(size=(ROWS, 1)) * 3
MARGINS = RANDOM.normal(size=(ROWS, COLUMNS)) - 1
NEGATIVE = -np.abs(MARGINS) - 0.1
PROBABILITIES = np.exp(MARGINS) / np.exp(MARGINS).sum(axis=1, keepdims=True)
SIGNED = RANDOM.normal(size=(ROWS, 1))
CHANCES = 1 / (1 + np.exp(-SIGNED))
POSITIVE = np.abs(SIGNED) + 0.2


def of_true_class(z: Array) -> Array:
    true: Array = z[np.arange(ROWS), CLASSES]
    return true


def largest_other(z: Array) -> Array:
    others: Array = np.where(OTHERS, z, -np.inf)
    largest: Array = others.max(axis=1)
    return largest


def of_binary(y: Array, p: Array) -> Array:
    return y * p + (1 - y) * (1 - p)


def huber(y: Array, z: Array, delta: float = 1.5) -> Array:
    error = np.abs(y - z)
    return np.where(error <= delta, 0.5 * error**2, delta * error - 0.5 * delta**2)


def log_not_negative(x: Array) -> Array:
    shifted: Array = np.log(1 + np.maximum(x, 0))
    return shifted


#: By loss: its arguments, target and output, the documented formula, and the formula as a function.
CASES: list[tuple[LossName, dict[str, Any], Any, Array, str, Formula]] = [
    (
        "sparse_categorical_crossentropy", {}, CLASSES, PROBABILITIES,
        "−log p_y", lambda _, p: -np.log(of_true_class(p)),
    ),
    (
        "categorical_crossentropy", {}, ONE_HOT, PROBABILITIES,
        "−Σ y·log p", lambda y, p: -(y * np.log(p)).sum(axis=1),
    ),
    (
        "categorical_crossentropy", {"label_smoothing": 0.1}, ONE_HOT, PROBABILITIES,
        "(1 − s)·y + s/classes",
        lambda y, p: -((0.9 * y + 0.1 / COLUMNS) * np.log(p)).sum(axis=1),
    ),
    (
        "categorical_focal_crossentropy", {"alpha": 0.3, "gamma": 1.5}, ONE_HOT, PROBABILITIES,
        "−Σ alpha·(1 − p)^gamma·y·log p",
        lambda y, p: -(0.3 * (1 - p) ** 1.5 * y * np.log(p)).sum(axis=1),
    ),
    (
        "categorical_generalized_cross_entropy", {"q": 0.4}, CLASSES, PROBABILITIES,
        "(1 − p_y^q)/q", lambda _, p: (1 - of_true_class(p) ** 0.4) / 0.4,
    ),
    (
        "binary_crossentropy", {}, BINARY, CHANCES,
        "−y·log p − (1 − y)·log(1 − p)", lambda y, p: -np.log(of_binary(y, p)),
    ),
    (
        "binary_crossentropy", {"label_smoothing": 0.2}, BINARY, CHANCES,
        "(1 − s)·y + s/2",
        lambda y, p: -(0.8 * y + 0.1) * np.log(p) - (0.9 - 0.8 * y) * np.log(1 - p),
    ),
    (
        "binary_focal_crossentropy", {"gamma": 1.5}, BINARY, CHANCES,
        "times (1 − p_y)^gamma",
        lambda y, p: -np.log(of_binary(y, p)) * (1 - of_binary(y, p)) ** 1.5,
    ),
    (
        "binary_focal_crossentropy", {"apply_class_balancing": True, "alpha": 0.3}, BINARY, CHANCES,
        "class 1 has weight alpha and class 0 has weight 1 − alpha",
        lambda y, p: (
            -of_binary(y, np.full_like(y, 0.3))
            * np.log(of_binary(y, p))
            * (1 - of_binary(y, p)) ** 2
        ),
    ),
    *(
        (
            "categorical_hinge", {}, ONE_HOT, margins,
            "max(1 + max(0, max_{k≠y} z_k) − z_y, 0)",
            lambda _, z: np.maximum(
                1 + np.maximum(0, largest_other(z)) - of_true_class(z), 0
            ),
        )
        for margins in (MARGINS, NEGATIVE)
    ),
    (
        "hinge", {}, BINARY, SIGNED,
        "max(1 − y·z, 0), y = ±1", lambda y, z: np.maximum(1 - (2 * y - 1) * z, 0),
    ),
    (
        "squared_hinge", {}, BINARY, SIGNED,
        "max(1 − y·z, 0)², y = ±1", lambda y, z: np.maximum(1 - (2 * y - 1) * z, 0) ** 2,
    ),
    (
        "kl_divergence", {}, ONE_HOT, PROBABILITIES,
        "Σ y·log(y/p)",
        lambda y, p: np.where(y > 0, np.log(np.where(y > 0, y, 1) / p), 0).sum(axis=1),
    ),
    (
        "cosine_similarity", {}, ONE_HOT, MARGINS,
        "−cos of the angle", lambda _, z: -of_true_class(z) / np.linalg.norm(z, axis=1),
    ),
    ("mean_squared_error", {}, VALUES, SIGNED, "(y − z)²", lambda y, z: (y - z) ** 2),
    ("mean_absolute_error", {}, VALUES, SIGNED, "|y − z|", lambda y, z: np.abs(y - z)),
    (
        "mean_absolute_percentage_error", {}, np.append(VALUES[1:], [[0.0]], axis=0), SIGNED,
        "100·|y − z|/|y|, with |y| at least 1e-7",
        lambda y, z: 100 * np.abs(y - z) / np.maximum(np.abs(y), 1e-7),
    ),
    (
        "mean_squared_logarithmic_error", {}, VALUES, SIGNED,
        "(log(1 + y) − log(1 + z))², in which y and z below 0 count as 0",
        lambda y, z: (log_not_negative(y) - log_not_negative(z)) ** 2,
    ),
    (
        "huber", {"delta": 1.5}, VALUES, SIGNED,
        "½(y − z)² up to |y − z| = delta, delta·|y − z| − ½delta² beyond", huber,
    ),
    ("log_cosh", {}, VALUES, SIGNED, "log cosh(z − y)", lambda y, z: np.log(np.cosh(z - y))),
    ("poisson", {}, COUNTS, POSITIVE, "z − y·log z", lambda y, z: z - y * np.log(z)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "target", "output", "text", "formula"),
    CASES,
    ids=[f"{name} {arguments or ''}" for name, arguments, *_ in CASES],
)
def test_the_documented_formula_is_keras_own(
    name: LossName,
    arguments: dict[str, Any],
    target: Any,
    output: Array,
    text: str,
    formula: Formula,
) -> None:
    assert text in " ".join((LOSSES[name].__doc__ or "").split())
    loss = build_loss(LOSSES[name].model_validate({"name": name} | arguments))
    in_keras = float(loss(np.asarray(target, np.float32), output.astype(np.float32)))
    assert in_keras == pytest.approx(float(np.mean(formula(target, output))), rel=1e-5, abs=2e-5)


def test_every_loss_has_its_formula_checked() -> None:
    assert {name for name, *_ in CASES} == {*get_args(LossName)}
