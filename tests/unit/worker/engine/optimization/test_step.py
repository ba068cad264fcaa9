"""A step agrees with `optimizer.apply` of plain Keras: weights, slots, averages, counters."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from ridgeline.spec.training import OPTIMIZERS, Training
from worker.engine.optimization import apply_gradients, build_optimizer, finalize

STEPS = 4
#: Arguments beside the defaults that make each optimizer's own branches run.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "rmsprop": [
        {},
        {"centered": True},
        {"momentum": 0.8},
        {"momentum": 0.8, "centered": True},
    ],
    "adam": [{}, {"amsgrad": True}, {"beta_1": 0.5, "epsilon": 1e-3}],
    "adamw": [{}, {"amsgrad": True}],
    "ftrl": [{"l1_regularization_strength": 0.01, "beta": 0.1}],
    "adafactor": [{}, {"relative_step": False}],
    "muon": [{}, {"nesterov": False, "rms_rate": None}],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "norm": {"clipnorm": 0.3, "weight_decay": 0.1, "weight_decay_on": "all"},
    "value": {"clipvalue": 0.1, "use_ema": True, "ema_momentum": 0.7},
    "global": {
        "global_clipnorm": 0.5,
        "weight_decay": 0.1,
        "use_ema": True,
        "ema_momentum": 0.7,
        "ema_overwrite_frequency": 3,
    },
    "accumulation": {"gradient_accumulation_steps": 2, "weight_decay": 0.1, "use_ema": True},
    "schedule": {
        "weight_decay": 0.1,
        "learning_rate": {
            "name": "cosine_decay",
            "initial_learning_rate": 0.1,
            "decay_steps": 4,
            "warmup_target": 0.2,
            "warmup_steps": 2,
        },
    },
}


def training(name: str, **arguments: Any) -> Training:
    optimizer = {"name": name, "learning_rate": 0.05} | arguments
    return Training.model_validate({"loss": "mse", "optimizer": optimizer}, strict=False)


def weights() -> list[keras.Variable]:
    numbers = np.random.default_rng(1)

    def variable(name: str, *shape: int, constraint: Any = None) -> keras.Variable:
        value = numbers.normal(size=shape).astype(np.float32)
        built = keras.Variable(value, name=name)
        built.constraint = constraint
        return built

    return [
        variable("kernel", 4, 3, constraint=keras.constraints.MaxNorm(1.0)),
        variable("bias", 3),
        variable("recurrent_kernel", 3, 3, constraint=keras.constraints.NonNeg()),
        variable("gamma", 3, constraint=keras.constraints.UnitNorm()),
        variable("kernel", 2, 3, 4, constraint=keras.constraints.MinMaxNorm(0.2, 0.8)),
    ]


def gradients_of(variables: Sequence[keras.Variable], step: int) -> list[tf.Tensor]:
    numbers = np.random.default_rng([2, step])
    return [tf.constant(numbers.normal(size=v.shape), tf.float32) for v in variables]


def keras_twin(built: keras.Optimizer, variables: list[keras.Variable], said: Any) -> Any:
    """The optimizer as a user of Keras makes it."""
    twin = type(built).from_config(built.get_config())
    if said.weight_decay_on == "kernels":
        twin.exclude_from_weight_decay(var_names=["bias", "gamma"])
    twin.build(variables)
    return twin


#: The options are written out once for all optimizers, so those without a kernel need a few.
FUSED = {"sgd", "rmsprop", "adam", "adamw"}
CASES = [
    (name, variant, option)
    for name in OPTIMIZERS
    for variant in VARIANTS.get(name, [{}])
    for option in (OPTIONS if name in FUSED else ["global", "accumulation"])
]


@pytest.mark.parametrize(
    ("name", "variant", "option"), CASES, ids=lambda value: str(value).replace(" ", "-")
)
def test_a_step_is_keras_own(name: str, variant: dict[str, Any], option: str) -> None:
    said = training(name, **(variant | OPTIONS[option]))
    ours, theirs = weights(), weights()
    optimizer = build_optimizer(said, ours)
    twin = keras_twin(optimizer, theirs, said.optimizer)
    for step in range(STEPS):
        gradients = gradients_of(ours, step)
        apply_gradients(optimizer, gradients, ours)
        twin.apply(gradients, theirs)
    assert_alike(optimizer, ours, twin, theirs)
    finalize(optimizer, ours)
    twin.finalize_variable_values(theirs)
    assert_alike(optimizer, ours, twin, theirs)


def assert_alike(
    optimizer: keras.Optimizer, ours: list[Any], twin: keras.Optimizer, theirs: list[Any]
) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), other.numpy(), rtol=0, atol=1e-6, err_msg=mine.path
        )
    # Adam's second moments differ by what 1 - 0.999 is in float32.
    for mine, other in zip(optimizer.variables, twin.variables, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), other.numpy(), rtol=1e-4, atol=1e-6, err_msg=mine.path
        )


def test_schedules_and_averages_count_batches_under_accumulation() -> None:
    """As the documentation says: η(t), and the average, advance with every batch t."""
    steps, momentum, overwrite = 3, 0.6, 2
    schedule = {
        "name": "exponential_decay",
        "initial_learning_rate": 0.1,
        "decay_steps": 2,
        "decay_rate": 0.5,
    }
    said = training(
        "sgd",
        learning_rate=schedule,
        gradient_accumulation_steps=steps,
        use_ema=True,
        ema_momentum=momentum,
        ema_overwrite_frequency=overwrite,
    )
    variable = keras.Variable(np.ones(1, np.float32), name="kernel")
    optimizer = build_optimizer(said, [variable])
    weight, average, gradients = 1.0, 0.0, []
    for batch in range(9):
        gradients.append(0.3 + batch)
        apply_gradients(optimizer, [tf.constant([gradients[-1]], tf.float32)], [variable])
        if (batch + 1) % steps == 0:
            weight -= 0.1 * 0.5 ** (batch / 2) * np.mean(gradients[-steps:])
        taken = batch // steps
        share = 1.0 if taken == 0 else 1 - momentum
        average += share * (weight - average)
        if (taken + 1) % overwrite == 0:
            weight = average
        assert float(variable.numpy()[0]) == pytest.approx(weight, rel=1e-5), batch


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "lion"])
@pytest.mark.parametrize("option", ["norm", "value", "global"])
def test_sparse_gradients_of_embeddings(name: str, option: str) -> None:
    """Rows may come twice; they are clipped, squared and added up as Keras does."""
    said = training(name, **OPTIONS[option])
    ours, theirs = ([keras.Variable(np.ones((5, 2), np.float32), name="embeddings")] for _ in "12")
    optimizer = build_optimizer(said, ours)
    twin = keras_twin(optimizer, theirs, said.optimizer)
    rows = tf.constant([[1.0, 2.0], [-0.5, 0.3], [0.7, 0.7]])
    for _ in range(3):
        sparse = tf.IndexedSlices(rows, tf.constant([0, 3, 0]), tf.constant([5, 2]))
        apply_gradients(optimizer, [sparse], ours)
        twin.apply([sparse], theirs)
    assert_alike(optimizer, ours, twin, theirs)


@pytest.mark.parametrize("option", ["plain", "accumulation"])
def test_adafactor_takes_sparse_gradients_as_dense_ones(option: str) -> None:
    """Its means are over whole rows and columns; Keras fails on sparse ones."""
    said = training("adafactor", **OPTIONS[option])
    start = np.random.default_rng(3).normal(size=(20, 2)).astype(np.float32)
    ours, theirs = ([keras.Variable(start, name="embeddings")] for _ in "12")
    optimizer = build_optimizer(said, ours)
    twin = keras_twin(optimizer, theirs, said.optimizer)
    rows = tf.constant([[1.0, 2.0], [-0.5, 0.3], [0.7, 0.7]])
    for _ in range(3):
        sparse = tf.IndexedSlices(rows, tf.constant([0, 14, 0]), tf.constant([20, 2]))
        apply_gradients(optimizer, [sparse], ours)
        twin.apply([tf.convert_to_tensor(sparse)], theirs)
    assert_alike(optimizer, ours, twin, theirs)


def test_a_variable_without_a_gradient_is_left_alone() -> None:
    ours, theirs = weights(), weights()
    said = training("adamw", use_ema=True, weight_decay=0.5)
    optimizer = build_optimizer(said, ours)
    twin = keras_twin(optimizer, theirs, said.optimizer)
    gradients = [None, *gradients_of(ours, 0)[1:]]
    apply_gradients(optimizer, gradients, ours)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        twin.apply(gradients, theirs)
    assert_alike(optimizer, ours, twin, theirs)
    assert np.array_equal(ours[0].numpy(), weights()[0].numpy())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compiled_the_learning_rate_is_an_input(name: str) -> None:
    """In a tf.function a new rate needs no retrace, and a loop of steps agrees with Keras."""
    said = training(name, use_ema=True, ema_overwrite_frequency=2, clipnorm=0.5, weight_decay=0.1)
    ours, theirs = weights(), weights()
    optimizer = build_optimizer(said, ours)
    twin = keras_twin(optimizer, theirs, said.optimizer)
    gradients = gradients_of(ours, 0)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def two_steps() -> None:
        def step(count: tf.Tensor) -> tf.Tensor:
            apply_gradients(optimizer, gradients, ours)
            return count + 1

        tf.while_loop(lambda count: count < 2, step, [0], parallel_iterations=1)

    for rate in (0.05, 0.2):
        optimizer.learning_rate = twin.learning_rate = rate
        two_steps()
        for _ in range(2):
            twin.apply(gradients, theirs)
    assert two_steps.experimental_get_tracing_count() == 1
    assert_alike(optimizer, ours, twin, theirs)


# Half precision ----------------------------------------------------------------------------------


def half_precision(name: str) -> Training:
    said = training(name).model_dump() | {"precision": "mixed_float16"}
    return Training.model_validate(said, strict=False)


def test_scaled_gradients_are_unscaled() -> None:
    ours, theirs = weights(), weights()
    optimizer = build_optimizer(half_precision("adam"), ours)
    twin = keras.optimizers.Adam(0.05)
    for step in range(STEPS):
        gradients = gradients_of(ours, step)
        scale = float(optimizer.scale_loss(1.0))
        apply_gradients(optimizer, [gradient * scale for gradient in gradients], ours)
        twin.apply(gradients, theirs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-6, atol=1e-6)


def test_a_step_that_overflows_is_left_out() -> None:
    ours = weights()
    optimizer = build_optimizer(half_precision("sgd"), ours)
    scale = float(optimizer.scale_loss(1.0))
    gradients = [tf.fill(v.shape, np.float32("inf")) for v in ours]
    apply_gradients(optimizer, gradients, ours, proximal={0: tf.constant(0.1)})
    assert np.array_equal(ours[1].numpy(), weights()[1].numpy())
    assert np.array_equal(ours[2].numpy(), np.maximum(weights()[2].numpy(), 0.0))
    assert int(optimizer.iterations) == 0
    assert float(optimizer.scale_loss(1.0)) == scale / 2


def test_the_averages_end_as_the_weights_in_half_precision_too() -> None:
    said = Training.model_validate(
        {
            "loss": "mse",
            "precision": "mixed_float16",
            "optimizer": {"name": "sgd", "use_ema": True},
        },
        strict=False,
    )
    variable = keras.Variable(np.zeros(2, np.float32), name="kernel")
    optimizer = build_optimizer(said, [variable])
    for _ in range(2):
        scaled = optimizer.scale_loss(tf.constant([1.0, 2.0]))
        apply_gradients(optimizer, [scaled], [variable])
    assert variable.numpy() == pytest.approx([-0.02, -0.04])
    finalize(optimizer, [variable])
    expected = [0.99 * -0.01 + 0.01 * -0.02, 0.99 * -0.02 + 0.01 * -0.04]
    assert variable.numpy() == pytest.approx(expected)
