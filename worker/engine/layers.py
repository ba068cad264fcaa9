"""Builds the Keras layers of a spec."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import tensorflow as tf

from ridgeline.planning.graph import Node
from ridgeline.spec.layers import Layer, Shape
from ridgeline.spec.layers.augmentation import Augmentation
from ridgeline.spec.layers.wrapper import Wrapper, with_wrapped
from ridgeline.spec.regularization.regularizers import ACTIVITY, PenaltyTerm
from ridgeline.spec.training import Precision
from worker.engine.regularization.penalty import keras_regularizer

FLOAT32 = "float32"
_UNPENALIZED = {"SimpleRNN", "MultiHeadAttention", "GroupQueryAttention"}
"""Layers whose activity_regularizer Keras does not apply to their output, or not to it alone."""


def build_layer(
    node: Node,
    penalties: Sequence[PenaltyTerm] = (),
    dtype: str = FLOAT32,
    *,
    in_training: bool = False,
) -> keras.Layer:
    """The Keras layer of a node, with the regularizers of its penalty terms.

    It serves prediction and the saved model; `in_training`, some layers have another. Penalties on
    outputs are left out, since Keras would add them to its own losses in training. `dtype` is a
    Keras dtype policy, such as `mixed_bfloat16`.
    """
    terms = [term for term in penalties if term.layer == node.name]
    keras_name = None if in_training else node.layer.in_prediction
    return _build(node.layer, terms, keras_name, name=node.name, dtype=dtype)


class TrainingStage(keras.Layer):
    """Stands in the functional model of training for a layer that training computes itself.

    It passes the mask on unchanged, as dropout layers do, and casts nothing.
    """

    def __init__(self, node: Node, dtype: str) -> None:
        super().__init__(name=node.name, dtype=dtype, autocast=False)
        self.supports_masking = True
        self.node = node
        self.compute: Callable[[tf.Tensor], tf.Tensor] = lambda x: x
        """The layer's output for a batch of inputs; set before each trace."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, *shape of the node's output)."""
        return (input_shape[0], *self.node.shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Apply `compute`."""
        return self.compute(x)


def penalty_layer(node: Node, dtype: str, names: Collection[str]) -> keras.Layer | None:
    """A layer after `node` for the penalty on its output, if the node's own cannot hold it.

    Keras's SimpleRNN ignores an activity_regularizer, and attention applies it to the projections
    inside. A layer that computes in half precision would sum in it, to infinity in float16. `names`
    are those of the network's layers, which the layer's name avoids.
    """
    if dtype == FLOAT32 and node.layer.type_name() not in _UNPENALIZED:
        return None
    name = f"{node.name}_activity"
    while name in names:
        name += "_"
    return keras.layers.ActivityRegularization(name=name, dtype=FLOAT32)


def computes_in(precision: Precision, layer: Layer) -> bool:
    """Whether Keras can compute the layer in a precision."""
    if precision == FLOAT32:
        return True
    # Several augmentations combine their input with float32 numbers of their own.
    if isinstance(layer, Augmentation):
        return False
    return precision == "mixed_bfloat16" or all(map(_computes_in_float16, with_wrapped(layer)))


def _computes_in_float16(layer: Layer) -> bool:
    """Whether TensorFlow has the operations on CPUs: no pooling over 3D, no range for sparsemax."""
    pools = layer.type_name().endswith("Pooling3D")
    return not pools and "sparsemax" not in layer.arguments().values()


def penalize_output(layer: keras.Layer, terms: Sequence[PenaltyTerm]) -> None:
    """Add the penalty of these terms on a layer's output, for the saved model."""
    layer.activity_regularizer = keras_regularizer(terms)
    if isinstance(layer, keras.layers.ActivityRegularization):
        strengths = {term.kind: term.coefficient for term in terms}
        layer.l1, layer.l2 = strengths.get("l1", 0.0), strengths.get("l2", 0.0)


def _build(
    layer: Layer, terms: Sequence[PenaltyTerm], keras_name: str | None = None, **common: Any
) -> keras.Layer:
    arguments = layer.arguments() | _regularizers(layer, terms) | _constraints(layer)
    if isinstance(layer, Wrapper):
        arguments["layer"] = _build(layer.layer, terms, dtype=common["dtype"])
    keras_class = getattr(keras.layers, keras_name or layer.type_name())
    return keras_class(**arguments, **common)


def _regularizers(layer: Layer, terms: Sequence[PenaltyTerm]) -> dict[str, Any]:
    """Regularizers by argument. Weights of one role share their terms; the first one's suffice."""
    regularizers = {}
    for argument, (role, _) in layer.regularizers.items():
        if role == ACTIVITY:
            continue
        names = [term.weight for term in terms if term.weight.rpartition("/")[2] == role]
        regularizers[argument] = keras_regularizer([t for t in terms if t.weight in names[:1]])
    return regularizers


def _constraints(layer: Layer) -> dict[str, Any]:
    return {
        argument: _constraint(getattr(layer, argument))
        for argument in layer.constraints
        if getattr(layer, argument) is not None
    }


def _constraint(constraint: Any) -> keras.constraints.Constraint:
    return getattr(keras.constraints, constraint.type)(**constraint.arguments())
