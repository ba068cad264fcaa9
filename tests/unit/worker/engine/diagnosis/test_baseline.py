"""The closed forms against Keras's losses, at the constant they stand for and beside it."""

import itertools

import keras
import numpy as np
import numpy.typing as npt
import pytest

from ridgeline.spec.training import LossName
from worker.engine.diagnosis.baseline import constant_baseline, perfect_loss

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


def test_a_perfect_prediction_of_smoothed_labels() -> None:
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    smoothed = ONE_HOT * 0.8 + 0.2 / ONE_HOT.shape[1]
    floor = perfect_loss("categorical_crossentropy", ONE_HOT.shape[1], label_smoothing=0.2)
    assert floor == pytest.approx(float(loss(ONE_HOT, smoothed)), rel=1e-5)
    binary = keras.losses.BinaryCrossentropy(label_smoothing=0.2)
    floor = perfect_loss("binary_crossentropy", 1, label_smoothing=0.2)
    assert floor == pytest.approx(float(binary(BINARY, BINARY * 0.8 + 0.1)), rel=1e-5)
    assert perfect_loss("categorical_crossentropy", 3, label_smoothing=0.0) == 0.0
    assert perfect_loss("mean_squared_error", 1, label_smoothing=0.0) == 0.0


def test_smoothed_labels() -> None:
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    baseline = constant_baseline("categorical_crossentropy", ONE_HOT, label_smoothing=0.2)
    assert baseline == pytest.approx(keras_loss(loss, ONE_HOT, SHARES * 0.8 + 0.2 / 3), rel=1e-5)
    binary = keras.losses.BinaryCrossentropy(label_smoothing=0.2)
    expected = keras_loss(binary, BINARY, [0.3 * 0.8 + 0.1])
    found = constant_baseline("binary_crossentropy", BINARY, label_smoothing=0.2)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "loss", "best"),
    [
        ("binary_crossentropy", keras.losses.BinaryCrossentropy(), 0.75),
        ("hinge", keras.losses.Hinge(), 1.0),
        ("squared_hinge", keras.losses.SquaredHinge(), 0.5),
        ("mean_squared_error", keras.losses.MeanSquaredError(), 0.75),
    ],
)
def test_weighted_rows_choose_the_constant_and_count_alike_in_its_loss(
    name: LossName, loss: keras.Loss, best: float
) -> None:
    """Class 1 counts seven times: 7·0.3 of 7·0.3 + 0.7."""
    weights = np.where(BINARY[:, 0] == 1, 7.0, 1.0)
    baseline = constant_baseline(name, BINARY, row_weights=weights)
    assert baseline == pytest.approx(keras_loss(loss, BINARY, [best]), rel=1e-4)
    unweighted = constant_baseline(name, BINARY)
    assert baseline is not None
    assert unweighted is not None
    assert baseline > unweighted
    assert constant_baseline(name, BINARY, row_weights=np.full(100, 20.0)) == unweighted


def test_balanced_classes_leave_an_even_guess() -> None:
    weights = (1 / SHARES)[CLASSES]
    sparse = constant_baseline("sparse_categorical_crossentropy", CLASSES, row_weights=weights)
    one_hot = constant_baseline("categorical_crossentropy", ONE_HOT, row_weights=weights)
    assert sparse == pytest.approx(np.log(3))
    assert one_hot == pytest.approx(np.log(3))
    even = np.where(BINARY[:, 0] == 1, 7.0, 3.0)
    assert constant_baseline("hinge", BINARY, row_weights=even) == 1


def test_weights_without_a_closed_form() -> None:
    weights = np.ones(len(VALUES))
    assert constant_baseline("mean_absolute_error", VALUES, row_weights=weights) is None
    assert constant_baseline("mean_squared_error", VALUES, row_weights=0 * weights) is None
    alone = (CLASSES == 0).astype(np.float32)  # then the others' probability falls to 0
    name: LossName = "sparse_categorical_crossentropy"
    assert constant_baseline(name, CLASSES, row_weights=alone) is None


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
