"""The proximal step against closed forms: exact zeros, and the lasso's optimality conditions."""

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from ridgeline.spec.training import Training
from worker.engine.optimization import apply_gradients, build_optimizer, finalize

Floats = npt.NDArray[np.float64]

ETA, C = 0.1, 0.3


def optimizer_of(name: str, variables: list[keras.Variable], **said: Any) -> keras.Optimizer:
    arguments = {"name": name, "learning_rate": ETA} | said
    training = Training.model_validate({"loss": "mse", "optimizer": arguments}, strict=False)
    return build_optimizer(training, variables)


def variable(values: Any) -> keras.Variable:
    return keras.Variable(np.asarray(values, np.float32), name="kernel")


def soft(w: Floats, t: Any) -> Floats:
    shrunk: Floats = np.sign(w) * np.maximum(np.abs(w) - t, 0)
    return shrunk


def test_sgd_is_the_exact_soft_threshold() -> None:
    """Namely sign(w)·max(|w| − ηc, 0) of what SGD gives; the bias beside it is not touched."""
    start, gradient = np.array([1.0, 0.05, -0.04, -2.0, 0.03]), np.array([0.5, 0.2, -0.3, 0.1, 0.0])
    kernel, bias = variable(start), variable(start)
    apply_gradients(
        optimizer_of("sgd", [kernel, bias]),
        [tf.constant(gradient, tf.float32)] * 2,
        [kernel, bias],
        proximal={0: tf.constant(C)},
    )
    plain = start - ETA * gradient
    assert kernel.numpy() == pytest.approx(soft(plain, ETA * C), abs=1e-7)
    assert bias.numpy() == pytest.approx(plain, abs=1e-7)
    assert np.count_nonzero(kernel.numpy() == 0.0) == 3


def test_adam_thresholds_in_its_own_metric() -> None:
    """Two steps by the formulas of the paper, each threshold ηc/(√v̂ + ε/√(1 − β₂^k))."""
    w, gradients = np.array([0.5, -0.2, 0.02]), np.array([[0.5, -2.0, 1e-3], [0.1, 1.0, 0.0]])
    kernel = variable(w)
    optimizer = optimizer_of("adam", [kernel])
    m = v = np.zeros(3)
    for k, g in enumerate(gradients, start=1):
        apply_gradients(
            optimizer, [tf.constant(g, tf.float32)], [kernel], proximal={0: tf.constant(C)}
        )
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        size = ETA / (np.sqrt(v / (1 - 0.999**k)) + 1e-7 / math.sqrt(1 - 0.999**k))
        w = soft(w - size * m / (1 - 0.9**k), size * C)
    assert kernel.numpy() == pytest.approx(w, abs=1e-5)


# f(w) = Σ h_i/2·(w_i − a_i)²; with c·Σ|w| its minimum is soft(a, c/h).
CURVATURES, CENTRES = np.array([1.0, 4.0, 0.5, 2.0, 1.0]), np.array([2.0, -0.5, 0.4, 0.1, -0.31])
SOLUTION = soft(CENTRES, C / CURVATURES)

ADAPTIVE: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("adam", {}),
    ("adam", {"amsgrad": True}),
    ("adamw", {"weight_decay": 0.0}),
    ("nadam", {}),
    ("adamax", {}),
    ("rmsprop", {"epsilon": 1e-2}),
    ("rmsprop", {"epsilon": 1e-2, "momentum": 0.5}),
    ("rmsprop", {"epsilon": 1e-1, "centered": True}),
    ("adagrad", {"learning_rate": 0.5}),
    ("adadelta", {"learning_rate": 0.1, "epsilon": 1e-2}),
]


@pytest.mark.parametrize(("name", "said"), ADAPTIVE, ids=lambda value: str(value).replace(" ", ""))
def test_it_comes_to_rest_at_the_minimum_of_the_penalised_loss(
    name: str, said: dict[str, Any]
) -> None:
    """Whatever the optimizer: exact zeros where the minimum has them, and nowhere else."""
    rates = {"learning_rate": 0.02} | said
    kernel = descend(name, rates, steps=1500)
    assert np.array_equal(kernel == 0.0, SOLUTION == 0.0)
    assert kernel == pytest.approx(SOLUTION, abs=0.02)


def descend(name: str, said: dict[str, Any], *, steps: int) -> Floats:
    kernel = variable(np.full(5, 0.7))
    optimizer = optimizer_of(name, [kernel], **said)
    curvatures, centres = (tf.constant(each, tf.float32) for each in (CURVATURES, CENTRES))

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run() -> None:
        def step(count: tf.Tensor) -> tf.Tensor:
            gradient = curvatures * (kernel.value - centres)
            apply_gradients(optimizer, [gradient], [kernel], proximal={0: tf.constant(C)})
            return count + 1

        tf.while_loop(lambda count: count < steps, step, [0], parallel_iterations=1)

    run()
    result: Floats = kernel.numpy()
    return result


def test_a_subgradient_of_l1_reaches_no_zero() -> None:
    """Why the proximal step is there: Keras's L1 regularizer leaves every weight nonzero."""
    kernel = variable(np.full(5, 0.7))
    optimizer = optimizer_of("sgd", [kernel], learning_rate=0.02)
    for _ in range(200):
        w = kernel.numpy()
        gradient = CURVATURES * (w - CENTRES) + C * np.sign(w)
        apply_gradients(optimizer, [tf.constant(gradient, tf.float32)], [kernel])
    assert np.count_nonzero(kernel.numpy()) == 5


def test_optimizers_without_a_known_metric_threshold_by_the_learning_rate() -> None:
    with_, without = variable([1.0, 0.01]), variable([1.0, 0.01])
    gradient = [tf.constant([1.0, -1.0])]
    apply_gradients(optimizer_of("lion", [with_]), gradient, [with_], proximal={0: tf.constant(C)})
    apply_gradients(optimizer_of("lion", [without]), gradient, [without])
    assert with_.numpy() == pytest.approx(soft(without.numpy(), ETA * C), abs=1e-7)


def test_accumulated_gradients_threshold_once_a_step() -> None:
    kernel = variable([1.0, -1.0])
    optimizer = optimizer_of("sgd", [kernel], gradient_accumulation_steps=2)
    seen: list[Any] = []
    for _ in range(4):
        apply_gradients(optimizer, [tf.zeros(2)], [kernel], proximal={0: tf.constant(C)})
        seen.append(kernel.numpy()[0])
    assert seen == pytest.approx([1.0, 1 - ETA * C, 1 - ETA * C, 1 - 2 * ETA * C])


def test_the_threshold_follows_the_schedule_and_comes_before_average_and_constraint() -> None:
    schedule = {
        "name": "piecewise_constant_decay",
        "boundaries": [1],
        "values": [0.1, 0.1],
    }
    kernel = variable([1.0, 0.02, -3.0])
    kernel.constraint = keras.constraints.UnitNorm()
    optimizer = optimizer_of("sgd", [kernel], learning_rate=schedule, use_ema=True)
    apply_gradients(optimizer, [tf.zeros(3)], [kernel], proximal={0: tf.constant(C)})
    thresholded = soft(np.array([1.0, 0.02, -3.0]), 0.1 * C)
    norm = np.linalg.norm(thresholded)
    assert kernel.numpy() == pytest.approx(thresholded / norm, abs=1e-6)
    finalize(optimizer, [kernel])
    assert kernel.numpy() == pytest.approx(thresholded, abs=1e-6)


def test_the_coefficient_is_an_input() -> None:
    kernel = variable([1.0])
    optimizer = optimizer_of("sgd", [kernel])

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(coefficient: tf.Tensor) -> None:
        apply_gradients(optimizer, [tf.zeros(1)], [kernel], proximal={0: coefficient})

    for coefficient in (1.0, 2.0, 100.0):
        step(tf.constant(coefficient))
    assert step.experimental_get_tracing_count() == 1
    assert kernel.numpy()[0] == 0.0
