"""What drops and what adds noise, computed with the strength and the seed as inputs."""

import inspect
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from ridgeline.spec.layers import LAYERS, Layer
from worker.engine.regularization.rated import RATED, strength

ROWS = tf.ones([500, 40])
NOISY = tf.random.stateless_normal([400, 50], [5, 5])
SEQUENCES = tf.ones([60, 6, 8])
IMAGES = tf.ones([50, 6, 6, 8])
VOLUMES = tf.ones([50, 3, 4, 5, 6])
#: An input that each type can take.
INPUTS: dict[str, tf.Tensor] = {
    "SpatialDropout1D": SEQUENCES,
    "SpatialDropout2D": IMAGES,
    "SpatialDropout3D": VOLUMES,
    "DropBlock2D": IMAGES,
}
OURS = {"DropPath", "DropBlock2D"}


def layer_of(kind: str, rate: float = 0.3, **arguments: Any) -> Layer:
    given = "stddev" if kind == "GaussianNoise" else "rate"
    if kind == "DropBlock2D":
        arguments = {"block_size": 2, **arguments}
    return LAYERS[kind].model_validate({given: rate, **arguments})


def compute(layer: Layer, x: tf.Tensor, rate: float, seed: int = 1) -> np.ndarray:
    function = RATED[layer.type_name()]
    return np.asarray(function(layer, x, tf.constant(rate), tf.constant([seed, 0])))


def test_all_that_drop_and_all_noise_are_rated() -> None:
    dropping = {kind for kind, layer in LAYERS.items() if layer.drops}
    assert set(RATED) == dropping | {"GaussianNoise"}


@pytest.mark.parametrize("kind", RATED)
def test_strength_zero_changes_nothing(kind: str) -> None:
    x = tf.random.stateless_normal(INPUTS.get(kind, ROWS).shape, [3, 4])
    np.testing.assert_array_equal(compute(layer_of(kind, 0.0), x, 0.0), x)


@pytest.mark.parametrize("kind", RATED)
def test_the_strength_is_the_specs(kind: str) -> None:
    assert strength(layer_of(kind, 0.25)) == 0.25


@pytest.mark.parametrize("kind", RATED)
def test_the_seed_alone_decides(kind: str) -> None:
    x = INPUTS.get(kind, ROWS)
    first, again, other = (compute(layer_of(kind), x, 0.5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize("kind", RATED)
def test_the_mean_is_kept(kind: str) -> None:
    """What the next layer expects is the same with and without: of the mean, over seeds."""
    x = INPUTS.get(kind, ROWS)
    x = NOISY if kind == "AlphaDropout" else x
    means = [np.mean(compute(layer_of(kind), x, 0.3, seed)) for seed in range(20)]
    error = np.std(means) / np.sqrt(len(means))
    assert np.mean(means) == pytest.approx(np.mean(x), abs=5 * error + 1e-6)


@pytest.mark.parametrize("kind", RATED)
def test_in_the_compiled_epoch(kind: str) -> None:
    """Batches of any size, the strength an input, in half precision as well."""
    layer, x = layer_of(kind), INPUTS.get(kind, ROWS)
    spec = tf.TensorSpec([None, *x.shape[1:]], tf.float32)

    compiled = tf.function(
        lambda x, rate, seed: RATED[kind](layer, x, rate, seed),
        autograph=False,
        input_signature=(spec, tf.TensorSpec([]), tf.TensorSpec([2], tf.int32)),
    )
    seed = tf.constant([1, 0])
    for rows in (1, 7):
        for rate in (0.0, 0.3):
            expected = compute(layer, x[:rows], rate)
            found = compiled(x[:rows], tf.constant(rate), seed)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    half = RATED[kind](layer, tf.cast(x, tf.float16), tf.constant(0.3), seed)
    assert half.dtype == tf.float16
    assert np.all(np.isfinite(half))


@pytest.mark.parametrize("kind", [kind for kind in RATED if kind not in OURS])
def test_same_distribution_as_keras(kind: str) -> None:
    """Means and variances of units, and of their sums along each axis, over seeds."""
    x = NOISY if kind == "AlphaDropout" else INPUTS.get(kind, ROWS)
    layer, rate = layer_of(kind), 0.3
    theirs_layer = getattr(keras.layers, kind)(rate, seed=9)
    ours = np.stack([compute(layer, x, rate, seed) for seed in range(20)])
    theirs = np.stack([np.asarray(theirs_layer(x, training=True)) for _ in range(20)])
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.03)
    assert np.var(ours) == pytest.approx(np.var(theirs), rel=0.06)
    for axis in range(1, x.shape.rank + 1):
        # What shares a draw along an axis has a larger variance of means along it.
        spread = np.var(ours.mean(axis=axis)), np.var(theirs.mean(axis=axis))
        assert spread[0] == pytest.approx(spread[1], rel=0.25)


# Closed forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_dropout_drops_the_rate_and_scales_the_rest(rate: float) -> None:
    out = compute(layer_of("Dropout"), ROWS, rate)
    np.testing.assert_allclose(out[out != 0], 1 / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / out.size)
    assert np.mean(out == 0) == pytest.approx(rate, abs=5 * deviation)


@pytest.mark.parametrize("kind", ["Dropout", "AlphaDropout"])
@pytest.mark.parametrize(
    ("noise_shape", "shared"), [((None, 1, None), 1), ((1, None, None), 0), ((None, None, 1), 2)]
)
def test_noise_shape_shares_draws(kind: str, noise_shape: Any, shared: int) -> None:
    out = compute(layer_of(kind, noise_shape=noise_shape), SEQUENCES, 0.5)
    assert np.all(np.ptp(out, axis=shared) == 0)
    for axis in {0, 1, 2} - {shared}:
        assert np.any(np.ptp(out, axis=axis) > 0)


@pytest.mark.parametrize("kind", ["SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"])
def test_spatial_dropout_drops_whole_maps(kind: str) -> None:
    x = INPUTS[kind]
    dropped = (compute(layer_of(kind), x, 0.5) == 0).mean(axis=tuple(range(1, x.shape.rank - 1)))
    assert set(np.unique(dropped)) == {0.0, 1.0}
    assert np.mean(dropped) == pytest.approx(0.5, abs=0.15)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    """Of a standard normal input, and what it drops goes to one value."""
    rate, saturation = 0.3, -1.7580993408473766
    out = np.stack([compute(layer_of("AlphaDropout"), NOISY, rate, seed) for seed in range(20)])
    assert np.mean(out) == pytest.approx(np.mean(NOISY), abs=0.02)
    assert np.var(out) == pytest.approx(1, abs=0.03)
    a = ((1 - rate) * (1 + rate * saturation**2)) ** -0.5
    values, counts = np.unique(out, return_counts=True)
    assert values[np.argmax(counts)] == pytest.approx(a * saturation - a * rate * saturation)
    assert np.max(counts) / out.size == pytest.approx(rate, abs=0.01)


def test_gaussian_dropouts_variance_is_dropouts() -> None:
    out = compute(layer_of("GaussianDropout"), tf.ones([200_000]), 0.4)
    assert np.mean(out) == pytest.approx(1, abs=0.01)
    assert np.var(out) == pytest.approx(0.4 / 0.6, rel=0.02)


def test_gaussian_noise_has_the_deviation() -> None:
    out = compute(layer_of("GaussianNoise"), tf.zeros([200_000]), 0.4)
    assert np.std(out) == pytest.approx(0.4, rel=0.02)


@pytest.mark.parametrize("x", [ROWS, IMAGES], ids=["rows", "images"])
def test_drop_path_drops_whole_rows(x: tf.Tensor) -> None:
    out = compute(layer_of("DropPath"), x, 0.4).reshape(x.shape[0], -1)
    assert np.all(np.ptp(out, axis=1) == 0)
    np.testing.assert_allclose(out[out != 0], 1 / 0.6, rtol=1e-6)
    deviation = np.sqrt(0.4 * 0.6 / len(out))
    assert np.mean(out[:, 0] == 0) == pytest.approx(0.4, abs=5 * deviation)


@pytest.mark.parametrize("block", [1, 2, 3, 6])
def test_drop_block_drops_squares(block: int) -> None:
    out = compute(layer_of("DropBlock2D", block_size=block), tf.ones([300, 6, 6, 4]), 0.1, seed=3)
    zero = out == 0
    # Every zero lies in a square of zeros.
    places = range(6 - block + 1)
    covered = np.zeros_like(zero)
    for top in places:
        for left in places:
            window = (slice(None), slice(top, top + block), slice(left, left + block))
            covered[window] |= np.all(zero[window], axis=(1, 2), keepdims=True)
    np.testing.assert_array_equal(zero, covered)
    # What is left is scaled by all/kept; squares overlap, so a little less than the rate is gone.
    np.testing.assert_allclose(out[~zero], zero.size / np.sum(~zero), rtol=1e-5)
    assert 0.07 < np.mean(zero) < 0.12


def test_drop_block_of_one_is_dropout() -> None:
    """A square of one place: its share of zeros is the rate itself."""
    out = compute(layer_of("DropBlock2D", block_size=1), tf.ones([500, 6, 6, 4]), 0.3)
    assert np.mean(out == 0) == pytest.approx(0.3, abs=0.01)


def test_drop_block_may_drop_everything() -> None:
    layer = layer_of("DropBlock2D", block_size=6)
    out = np.stack([compute(layer, tf.ones([1, 6, 6, 1]), 0.9, seed) for seed in range(20)])
    assert np.all(np.isfinite(out))
    assert np.any(np.all(out == 0, axis=(1, 2, 3, 4)))


def test_keras_takes_the_rates_by_the_same_name() -> None:
    for kind in set(RATED) - OURS:
        given = "stddev" if kind == "GaussianNoise" else "rate"
        assert given in inspect.signature(getattr(keras.layers, kind)).parameters
