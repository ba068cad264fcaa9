"""Penalties against their closed forms."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from ridgeline.spec.regularization.regularizers import PenaltyTerm, WeightPenalty
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from worker.engine.epoch import Controls
from worker.engine.passes import place, train_pass
from worker.engine.regularization.penalty import Penalties, keras_regularizer
from worker.engine.seeds import mask_seed

KERNEL = np.array([[1.0, -2.0], [0.5, 0.0]], np.float32)
BIAS = np.array([3.0, -1.0], np.float32)


@pytest.fixture
def layer() -> keras.Layer:
    layer = keras.layers.Dense(2, name="dense")
    layer.build((None, 2))
    layer.set_weights([KERNEL, BIAS])
    return layer


def weights_of(layer: keras.Layer) -> dict[tuple[str, str], keras.Variable]:
    return {("dense", "kernel"): layer.kernel, ("dense", "bias"): layer.bias}


def term(weight: str, kind: Any, coefficient: float) -> PenaltyTerm:
    return PenaltyTerm(
        layer="dense",
        weight=weight,
        kind=kind,
        strength=coefficient,
        coefficient=coefficient,
        formula="",
    )


def test_each_term_is_its_closed_form(layer: keras.Layer) -> None:
    terms = [term("kernel", "l1", 0.5), term("kernel", "l2", 0.25), term("bias", "l2", 2.0)]
    penalties = Penalties(terms, weights_of(layer))
    measured = penalties(penalties.coefficients, {})
    np.testing.assert_allclose(measured, [0.5 * 3.5, 0.25 * 5.25, 2.0 * 10.0], rtol=1e-7)


def test_no_terms_give_an_empty_vector() -> None:
    penalties = Penalties([], {})
    assert penalties(penalties.coefficients, {}).shape == (0,)


@pytest.mark.parametrize("kinds", [[], ["l1"], ["l2"], ["l1", "l2"]])
def test_the_saved_regularizer_says_the_same(kinds: list[str], layer: keras.Layer) -> None:
    terms = [term("kernel", kind, 0.1) for kind in kinds]
    penalties = Penalties(terms, weights_of(layer))
    regularizer = keras_regularizer(terms)
    theirs = float(regularizer(layer.kernel)) if regularizer else 0.0
    assert float(np.sum(penalties(penalties.coefficients, {}))) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("n", ["batch", "rows"])
@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_one_sgd_step_with_the_textbook_strength(kind: str, n: str, make_spec: MakeSpec) -> None:
    """W ← W − η(∂E₀/∂W + (λ/n)W), and for L1 W ← W − η(∂E₀/∂W + (λ/n)·sign W)."""
    eta, strength = 0.1, 4.0
    sgd = {"optimizer": {"name": "sgd", "learning_rate": eta}}
    policy = {"weights": {kind: strength, "scaling": "textbook", "n": n}}
    setup = Setup(make_spec(training=sgd | {"batch_size": 30}, regularization=policy))
    batch = setup.data.train.take(np.arange(30))
    kernel = setup.network.layers["dense"].kernel
    before = kernel.numpy()
    with tf.GradientTape() as tape:
        error = setup.objective.loss(batch.y, setup.network.predict(batch.x))
    gradient = tape.gradient(error, kernel.value).numpy()
    controls = Controls(
        setup.objective.penalties.coefficients, np.zeros(0, np.float32), mask_seed(0, 1), 0
    )
    train_pass(setup.epoch, place(batch, batch_size=30), np.arange(30, dtype=np.int32), controls)
    count = 30 if n == "batch" else setup.data.train.rows
    decay = before if kind == "l2" else np.sign(before)
    expected = before - eta * (gradient + strength / count * decay)
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=0, atol=1e-6)


def test_textbook_divides_by_no_more_than_all_rows() -> None:
    penalty = WeightPenalty(l2=2.0, scaling="textbook")
    assert penalty.applied(batch_size=512, rows=100)[0][2] == pytest.approx(2.0 / 200)
