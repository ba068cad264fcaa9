"""The closed forms against Keras's losses, at the constant they stand for and beside it."""

import itertools

import keras
import numpy as np
import numpy.typing as npt
import pytest

from ridgeline.contract.training import LossName
from worker.engine.baseline import constant_baseline

Array = npt.NDArray[np.float32]

CLASSES = np.repeat([0, 1, 2], [50, 30, 20]).astype(np.int32)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
BINARY = np.repeat([[0.0], [1.0]], [70, 30], axis=0).astype(np.float32)
VALUES = np.random.default_rng(1).gamma(2.0, 3.0, (101, 1)).astype(np.float32)
SHARES = np.array([0.5, 0.3, 0.2])
STEPS = np.linspace(-0.1, 0.1, 5)


def keras_loss(loss: keras.Loss, y: npt.NDArray[np.generic], constant: npt.ArrayLike) -> float:
    predicted = np.tile(np.asarray(constant, np.float32), (len(y), 1))
    return float(loss(y, predicted))


@pytest.mark.parametrize(
    ("name", "loss", "y"),
    [
        (
            "sparse_categorical_crossentropy",
            keras.losses.SparseCategoricalCrossentropy(),
            CLASSES,
        ),
        ("categorical_crossentropy", keras.losses.CategoricalCrossentropy(), ONE_HOT),
        ("kl_divergence", keras.losses.KLDivergence(), ONE_HOT),
    ],
)
def test_class_frequencies(name: LossName, loss: keras.Loss, y: npt.NDArray[np.generic]) -> None:
    baseline = constant_baseline(name, y)
    assert baseline is not None
    assert baseline == pytest.approx(-float(np.sum(SHARES * np.log(SHARES))))
    assert baseline == pytest.approx(keras_loss(loss, y, SHARES), rel=1e-4)
    for first, second in itertools.product(STEPS, STEPS):
        moved = SHARES + np.array([first, second, -first - second])
        assert keras_loss(loss, y, moved) >= baseline * (1 - 1e-4)


def test_smoothed_labels() -> None:
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    baseline = constant_baseline("categorical_crossentropy", ONE_HOT, label_smoothing=0.2)
    assert baseline == pytest.approx(keras_loss(loss, ONE_HOT, SHARES * 0.8 + 0.2 / 3), rel=1e-5)
    binary = keras.losses.BinaryCrossentropy(label_smoothing=0.2)
    expected = keras_loss(binary, BINARY, [0.3 * 0.8 + 0.1])
    found = constant_baseline("binary_crossentropy", BINARY, label_smoothing=0.2)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "loss", "y", "best"),
    [
        ("binary_crossentropy", keras.losses.BinaryCrossentropy(), BINARY, 0.3),
        ("hinge", keras.losses.Hinge(), BINARY, -1.0),
        ("squared_hinge", keras.losses.SquaredHinge(), BINARY, -0.4),
        ("mean_squared_error", keras.losses.MeanSquaredError(), VALUES, VALUES.mean()),
        ("mean_absolute_error", keras.losses.MeanAbsoluteError(), VALUES, np.median(VALUES)),
        (
            "mean_squared_logarithmic_error",
            keras.losses.MeanSquaredLogarithmicError(),
            VALUES,
            np.expm1(np.log1p(VALUES).mean()),
        ),
    ],
)
def test_the_best_constant(name: LossName, loss: keras.Loss, y: Array, best: float) -> None:
    baseline = constant_baseline(name, y)
    assert baseline is not None
    assert baseline == pytest.approx(keras_loss(loss, y, [best]), rel=1e-4)
    for step in STEPS:
        assert keras_loss(loss, y, [best + step]) >= baseline * (1 - 1e-4)


def test_the_best_constant_of_the_percentage_error_is_a_weighted_median() -> None:
    loss = keras.losses.MeanAbsolutePercentageError()
    tried = min(keras_loss(loss, VALUES, [float(value)]) for value in VALUES[:, 0])
    baseline = constant_baseline("mean_absolute_percentage_error", VALUES)
    assert baseline == pytest.approx(tried, rel=1e-4)


def test_one_class_alone_leaves_nothing_to_learn() -> None:
    assert constant_baseline("sparse_categorical_crossentropy", np.zeros(5, np.int32)) == 0


@pytest.mark.parametrize("name", ["huber", "log_cosh", "poisson", "categorical_hinge"])
def test_no_closed_form(name: LossName) -> None:
    assert constant_baseline(name, VALUES) is None


def test_no_rows_and_what_a_float_does_not_hold() -> None:
    assert constant_baseline("mean_squared_error", VALUES[:0]) is None
    assert constant_baseline("mean_squared_error", np.array([[1e200], [-1e200]])) is None
