"""Builds the Keras layers of a spec."""

from collections.abc import Sequence
from typing import Any

import keras

from ridgeline.planning.graph import Node
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.augmentation import Augmentation
from ridgeline.spec.layers.wrapper import Wrapper, with_wrapped
from ridgeline.spec.regularization.regularizers import ACTIVITY, PenaltyTerm
from ridgeline.spec.training import Precision
from worker.engine.regularization.penalty import keras_regularizer

FLOAT32 = "float32"


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
    """Add the penalty on a layer's output, for the saved model."""
    own = [term for term in terms if term.layer == layer.name and term.weight == ACTIVITY]
    layer.activity_regularizer = keras_regularizer(own)


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
