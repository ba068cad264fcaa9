"""Every layer that the contract accepts takes a step of training inside a compiled loop."""

import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from keras.src.random.seed_generator import SeedGenerator

from ridgeline.planning.graph import Node, build_graph
from ridgeline.planning.wiring import wire
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import Model
from ridgeline.spec.layers import LAYERS, Shape
from ridgeline.spec.layers.augmentation import Augmentation
from tests.unit.networks.keras_twins import call
from tests.unit.networks.random_layers import lone_layer
from worker.engine.layers import build_layer

pytestmark = pytest.mark.slow

Json = dict[str, Any]
DROPS: Json = {"dropout": 0.3, "recurrent_dropout": 0.3}
CONV: Json = {"type": "Conv2D", "filters": 2, "kernel_size": 2}
#: Layers with weights, and the rows that they take.
LEARNING: list[tuple[Json, Shape]] = [
    *(({"type": kind, "units": 3, **DROPS}, (4, 5)) for kind in ("SimpleRNN", "LSTM", "GRU")),
    ({"type": "GRU", "units": 3, "unroll": True, "reset_after": False, **DROPS}, (4, 5)),
    ({"type": "LSTM", "units": 3, "go_backwards": True, "return_sequences": True}, (1, 5)),
    ({"type": "ConvLSTM1D", "filters": 2, "kernel_size": 2, "strides": 2, **DROPS}, (3, 4, 2)),
    ({"type": "ConvLSTM2D", "filters": 2, "kernel_size": 2, "dilation_rate": 2}, (3, 4, 4, 2)),
    ({"type": "ConvLSTM3D", "filters": 2, "kernel_size": 1, "padding": "same"}, (2, 3, 3, 3, 1)),
    ({"type": "Bidirectional", "layer": {"type": "LSTM", "units": 2, **DROPS}}, (4, 5)),
    (
        {
            "type": "Bidirectional",
            "merge_mode": "mul",
            "layer": {"type": "ConvLSTM1D", "filters": 2, "kernel_size": 2},
        },
        (3, 4, 2),
    ),
    ({"type": "TimeDistributed", "layer": CONV}, (3, 4, 4, 2)),
    ({"type": "SpectralNormalization", "layer": CONV, "power_iterations": 2}, (4, 4, 2)),
    ({"type": "SpectralNormalization", "layer": {"type": "Dense", "units": 3}}, (4,)),
    (
        {
            "type": "MultiHeadAttention",
            "num_heads": 2,
            "key_dim": 3,
            "value_dim": 4,
            "use_gate": True,
            "sliding_window": 2,
            "dropout": 0.3,
        },
        (4, 5),
    ),
    (
        {
            "type": "GroupQueryAttention",
            "head_dim": 3,
            "num_query_heads": 4,
            "num_key_value_heads": 2,
            "dropout": 0.3,
        },
        (4, 5),
    ),
    ({"type": "Attention", "use_scale": True, "score_mode": "concat", "dropout": 0.3}, (4, 5)),
    ({"type": "AdditiveAttention", "dropout": 0.3}, (4, 5)),
    ({"type": "BatchNormalization", "axis": 1}, (4, 5)),
    (
        {"type": "BatchNormalization", "renorm": True, "renorm_clipping": {"rmax": 3.0}},
        (4, 4, 2),
    ),
    ({"type": "LayerNormalization", "axis": [2, 1]}, (4, 5, 2)),
    ({"type": "LayerNormalization", "axis": 1}, (4, 5, 2)),
    ({"type": "GroupNormalization", "groups": 2, "axis": 1}, (4, 5, 2)),
    ({"type": "GroupNormalization", "groups": -1, "axis": -2}, (4, 5, 2)),
    ({"type": "RMSNormalization"}, (4, 5)),
    ({"type": "UnitNormalization", "axis": [1, 2]}, (4, 5)),
]

#: The augmentations' arguments, where Keras asks for any.
AUGMENTING: dict[str, Json] = {
    **{kind: {"factor": 0.5} for kind in LAYERS if "factor" in LAYERS[kind].model_fields},
    "RandomPosterization": {"factor": 4},
    "RandomCrop": {"height": 3, "width": 4},
    "RandomTranslation": {"height_factor": 0.3, "width_factor": [-0.2, 0.1]},
    "RandomZoom": {"height_factor": 0.5},
    "RandomShear": {"x_factor": 0.5},
    "RandomColorJitter": {"hue_factor": 0.5, "brightness_factor": 0.5},
    "Solarization": {"threshold_factor": 0.5},
}
KINDS = [kind for kind, layer in LAYERS.items() if issubclass(layer, Augmentation)]
ROWS, BATCH = 20, 8


def node_of(fields: Json, shape: Shape) -> Node:
    """A layer upon rows of a shape; raises SpecError where it cannot take them."""
    listed = {"inputs": ["input"] * LAYERS[fields["type"]].arity[0], **fields}
    model = Model.model_validate_json(json.dumps({"layers": [listed]}))
    return build_graph(wire(model.layers), shape).output


def rows_of(shape: Shape) -> tf.Tensor:
    return tf.random.stateless_uniform([ROWS, *shape], [1, 2])


def seed_generators(layer: keras.Layer) -> list[SeedGenerator]:
    """A layer's own and those of the layers inside it."""
    every = [layer, *layer._flatten_layers(include_self=False, recursive=True)]
    found = [value for each in every for value in vars(each).values()]
    return list({id(each): each for each in found if isinstance(each, SeedGenerator)}.values())


@pytest.mark.filterwarnings("ignore:.*softmax over axis:UserWarning")
@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind not in KINDS])
def test_a_step_through_every_layer_type(kind: str) -> None:
    """Shapes are as worked out, and every weight and the input get a finite gradient."""

    @given(lone_layer(kind))
    @settings(max_examples=3, database=None, derandomize=True, deadline=None)
    def check(network: tuple[Shape, list[Json]]) -> None:
        shape, (fields,) = network
        try:
            node = node_of(fields, shape)
        except SpecError:
            return
        if kind.startswith(("Depthwise", "Separable")) and max(shape[:-1]) == 1:
            # oneDNN fails on a window over a single pixel, in a process that has run many layers.
            return
        if node.layer.training_only:
            assert node.shape == shape
            return
        output, gradients = step_through(node, shape)
        assert output == (ROWS, *node.shape)
        for gradient in gradients:
            assert np.isfinite(tf.convert_to_tensor(gradient)).all()

    check()


def step_through(node: Node, shape: Shape) -> tuple[Shape, list[Any]]:
    """The output's shape, batch and all, and the gradients of its sum of squares.

    Tokens have none, and a picture of one colour has no contrast to differentiate.
    """
    built = build_layer(node)
    tokens = "Embedding" in str(node.layer)
    constant = tokens or node.layer.type_name() == "AutoContrast"
    x = tf.zeros((ROWS, *shape)) if tokens else rows_of(shape)
    inputs = len(node.layer.inputs or ())
    call(node.layer, built, [keras.Input(shape)] * inputs)

    def run(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(node.layer, built, [x] * inputs, training=True)
            loss = tf.reduce_sum(y**2)
        return y, tape.gradient(loss, [*built.trainable_variables, *([] if constant else [x])])

    y, gradients = tf.function(run)(x)
    return tuple(y.shape), gradients


@pytest.mark.parametrize(("fields", "shape"), LEARNING, ids=[it["type"] for it, _ in LEARNING])
def test_a_step_of_training(fields: Json, shape: Shape) -> None:
    """In `tf.while_loop` without autograph, over batches of unequal size.

    Every weight gets a finite gradient, and equal seed states give equal losses.
    """
    node = node_of(fields, shape)
    layer, built, head = node.layer, build_layer(node), keras.layers.Dense(2)
    inputs = [keras.Input(shape)] * layer.arity[0]
    head(keras.layers.Flatten()(call(layer, built, inputs)))
    x, target = rows_of(shape), rows_of((2,))
    variables = built.trainable_variables + head.trainable_variables
    start = [(each, each.numpy()) for each in [*built.variables, *head.variables]]

    def step(first: tf.Tensor, total: tf.Tensor) -> list[tf.Tensor]:
        batch = [x[first : first + BATCH]] * len(inputs)
        with tf.GradientTape() as tape:
            out = call(layer, built, batch, training=True)
            predicted = head(tf.reshape(out, [-1, head.kernel.shape[0]]))
            loss = tf.reduce_mean((predicted - target[first : first + BATCH]) ** 2)
        for gradient, each in zip(
            tape.gradient(loss, [each.value for each in variables]), variables, strict=True
        ):
            tf.debugging.assert_all_finite(gradient, each.path)
            each.assign_sub(0.01 * gradient)
        return [first + BATCH, total + loss]

    def steps() -> tf.Tensor:
        return tf.while_loop(
            lambda first, _: first < ROWS, step, [0, tf.constant(0.0)], parallel_iterations=1
        )[1]

    epoch = tf.function(steps, autograph=False)

    def losses(seed: int) -> float:
        for each, value in start:
            each.assign(value)
        for generator in seed_generators(built):
            generator.state.assign([seed, 2])
        return float(epoch())

    first, again, other = losses(1), losses(1), losses(7)
    assert np.isfinite(first)
    assert first == again
    inner = fields.get("layer", fields)
    assert (first != other) == (inner.get("dropout", 0) > 0)


@pytest.mark.parametrize(
    ("kind", "span"),
    [
        (kind, span)
        for kind in KINDS
        for span in ([0, 1], [-3, 3])
        if span == [0, 1] or "value_range" in LAYERS[kind].model_fields
    ],
)
def test_augmentation_in_a_compiled_loop(kind: str, span: list[float]) -> None:
    """By the state of its seed generators alone, within the range of values."""
    fields: Json = {"type": kind, **AUGMENTING.get(kind, {})}
    if "value_range" in LAYERS[kind].model_fields:
        fields["value_range"] = span
    shape = (5, 6, 3)
    node = node_of(fields, shape)
    layer, built = node.layer, build_layer(node, in_training=True)
    x, labels = rows_of(shape), tf.one_hot(tf.range(ROWS) % 3, 3)
    expected = node.shape

    def change(first: tf.Tensor, found: tf.Tensor) -> list[tf.Tensor]:
        images = tf.ensure_shape(x[first : first + BATCH], [None, *shape])
        if not layer.mixes_labels:
            return [first + BATCH, tf.concat([found, built(images, training=True)], axis=0)]
        mixed = built({"images": images, "labels": labels[first : first + BATCH]}, training=True)
        sums = tf.reduce_sum(mixed["labels"], axis=1)
        tf.debugging.assert_near(sums, tf.ones_like(sums))
        return [first + BATCH, tf.concat([found, mixed["images"]], axis=0)]

    def steps() -> tf.Tensor:
        shapes = [tf.TensorShape([]), tf.TensorShape([None, *expected])]
        start = [0, tf.zeros([0, *expected])]
        return tf.while_loop(lambda first, _: first < ROWS, change, start, shapes)[1]

    epoch = tf.function(steps, autograph=False)

    def images(seed: int) -> np.ndarray:
        for generator in seed_generators(built):
            generator.state.assign([seed, 2])
        return np.asarray(epoch())

    first, again, other = images(1), images(1), images(7)
    assert first.shape == (ROWS, *expected)
    assert np.all(np.isfinite(first))
    np.testing.assert_array_equal(first, again)
    if span == [0, 1]:  # no value reaches Solarization's threshold in a wider range
        assert np.any(first != other) == (kind != "Equalization")
    if "value_range" in fields:
        assert first.min() >= span[0] - 1e-5
        assert first.max() <= span[1] + 1e-5


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not LAYERS[kind].training_only])
def test_a_saved_augmentation_can_be_loaded(kind: str) -> None:
    """Keras's RandomShear cannot, so it is left out of the saved model."""
    built = build_layer(node_of({"type": kind, **AUGMENTING.get(kind, {})}, (5, 6, 3)))
    saved = keras.saving.serialize_keras_object(built)
    loaded = keras.saving.deserialize_keras_object(json.loads(json.dumps(saved)))
    assert json.dumps(loaded.get_config()) == json.dumps(built.get_config())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not LAYERS[kind].training_only])
def test_images_pass_as_they_are_in_prediction(kind: str) -> None:
    node = node_of({"type": kind, **AUGMENTING.get(kind, {})}, (5, 6, 3))
    model = keras.Sequential([keras.Input((5, 6, 3)), build_layer(node)])
    x = rows_of((5, 6, 3))
    expected = x[:, 1:4, 1:5] if kind == "RandomCrop" else x
    np.testing.assert_array_equal(model(x, training=False), expected)
