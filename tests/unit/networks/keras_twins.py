"""The Keras layers that correspond to a spec's layers."""

from typing import Any

import keras

from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.wrapper import Wrapper


def keras_layer(layer: Layer) -> keras.Layer:
    """The Keras layer with the same arguments, without penalties and constraints.

    Built for prediction: a layer that acts in training only is an identity.
    """
    if layer.training_only:
        return keras.layers.Identity(name=layer.name)
    wrapped = {"layer": keras_layer(layer.layer)} if isinstance(layer, Wrapper) else {}
    keras_class = getattr(keras.layers, layer.in_prediction or layer.type_name())
    return keras_class(name=layer.name, **wrapped, **layer.arguments())


def call(layer: Layer, built: keras.Layer, inputs: list[Any], **options: Any) -> Any:
    """Apply a layer to its inputs, as one list or one argument each."""
    if layer.inputs_as == "arguments":
        return built(*(inputs * 2 if len(inputs) == 1 else inputs), **options)
    return built(inputs if len(inputs) > 1 else inputs[0], **options)
