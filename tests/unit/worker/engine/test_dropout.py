"""Dropout whose rate and seed are inputs, beside Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from worker.engine.regularization.dropout import dropout, is_dropout

ROWS = tf.ones([500, 40])
IMAGES = tf.ones([50, 6, 6, 8])


def drop(layer: keras.Layer, x: tf.Tensor, rate: float, seed: int) -> np.ndarray:
    return np.asarray(dropout(layer, x, tf.constant(rate), tf.constant([seed, 0])))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_drops_the_rate_and_scales_the_rest(rate: float) -> None:
    out = drop(keras.layers.Dropout(rate), ROWS, rate, seed=1)
    kept = out[out != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / out.size)
    assert np.mean(out == 0) == pytest.approx(rate, abs=5 * deviation)


def test_same_distribution_as_keras() -> None:
    """Units dropped per row, over seeds: means and variances agree within five standard errors."""
    layer = keras.layers.Dropout(0.3)
    ours = np.concatenate([(drop(layer, ROWS, 0.3, s) == 0).sum(axis=1) for s in range(20)])
    theirs = np.concatenate(
        [(np.asarray(layer(ROWS, training=True)) == 0).sum(axis=1) for _ in range(20)]
    )
    error = np.sqrt(2 * 40 * 0.3 * 0.7 / len(ours))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=5 * error)
    assert np.var(ours) == pytest.approx(np.var(theirs), rel=0.1)


def test_rate_zero_changes_nothing() -> None:
    np.testing.assert_array_equal(drop(keras.layers.Dropout(0.0), ROWS, 0.0, seed=1), ROWS)


def test_the_seed_alone_decides_the_mask() -> None:
    layer = keras.layers.Dropout(0.5)
    first, again, other = (drop(layer, ROWS, 0.5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) == pytest.approx(0.5, abs=0.05)


def test_spatial_dropout_drops_whole_maps() -> None:
    out = drop(keras.layers.SpatialDropout2D(0.5), IMAGES, 0.5, seed=3)
    dropped = (out == 0).mean(axis=(1, 2))
    assert set(np.unique(dropped)) == {0.0, 1.0}
    assert np.mean(dropped) == pytest.approx(0.5, abs=0.15)


def test_only_dropping_layers_are_computed_here() -> None:
    assert is_dropout(keras.layers.Dropout(0.1))
    assert not is_dropout(keras.layers.Dense(1))
