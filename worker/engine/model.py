"""Builds the Keras layers of a graph and wires them."""

from collections.abc import Callable
from itertools import groupby

import keras
import tensorflow as tf

from ridgeline.contract.graph import Graph, Node
from ridgeline.contract.regularizers import PenaltyTerm
from ridgeline.contract.resolve import Resolution
from ridgeline.contract.wiring import INPUT
from worker.engine.regularization.penalty import keras_regularizer
from worker.engine.regularization.rated import RATED, strength

Apply = Callable[[keras.Layer, list[tf.Tensor]], tf.Tensor]


class Network:
    """The Keras layers of a graph, built, with one set of weights.

    It is applied three ways: in training with dropout's rates and seeds as inputs, in inference,
    and as a plain Keras model for export.
    """

    def __init__(self, resolution: Resolution) -> None:
        keras.utils.set_random_seed(resolution.spec.training.seed)
        self.graph: Graph = resolution.graph
        self.layers = {
            node.name: build_layer(node, resolution.penalties) for node in self.graph.nodes
        }
        self.model = self.keras_model(keras.Input(self.graph.input_shape, name=INPUT))
        self.rated = [node.layer for node in self.graph.nodes if node.layer.type_name() in RATED]
        self.replaced = {
            node.name: build_layer(node, type_name=node.layer.type_name())
            for node in self.graph.nodes
            if node.layer.type_name() not in RATED
            and (node.layer.training_only or node.layer.in_prediction is not None)
        }

    @property
    def rates(self) -> tf.Tensor:
        """The strengths of the layers in `rated`, in order, shape (rated,)."""
        rates = [strength(layer) for layer in self.rated]
        return tf.constant(rates, tf.float32, [len(rates)])

    def train(self, x: tf.Tensor, rates: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Predict a batch in training mode.

        `rates` has shape (rated,); `seed`, shape (2,), is this step's, to which each layer
        adds its number.
        """
        number = {layer.name: index for index, layer in enumerate(self.rated)}

        def apply(layer: keras.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
            index = number.get(layer.name)
            if index is None:
                return _call(self.replaced.get(layer.name, layer), inputs, training=True)
            spec = self.rated[index]
            own_seed = seed + tf.constant([0, index])
            return RATED[spec.type_name()](spec, inputs[0], rates[index], own_seed)

        return self._flow(x, apply)

    def predict(self, x: tf.Tensor) -> tf.Tensor:
        """Predict a batch in inference mode."""
        return self._flow(x, lambda layer, inputs: _call(layer, inputs, training=False))

    def keras_model(self, source: tf.Tensor, before: keras.Layer | None = None) -> keras.Model:
        """A plain Keras model over these layers, with `before` (feature scaling) in front."""
        start = source if before is None else before(source)
        output = self._flow(
            start, lambda layer, inputs: layer(inputs if len(inputs) > 1 else inputs[0])
        )
        return keras.Model(source, output)

    def _flow(self, x: tf.Tensor, apply: Apply) -> tf.Tensor:
        outputs = {INPUT: x}
        for node in self.graph.nodes:
            inputs = [outputs[name] for name in node.layer.inputs or ()]
            outputs[node.name] = apply(self.layers[node.name], inputs)
        return outputs[self.graph.output.name]


def build_layer(
    node: Node, penalties: tuple[PenaltyTerm, ...] = (), type_name: str | None = None
) -> keras.Layer:
    """The Keras layer a node of the graph says, with the regularizers its penalty terms say.

    It is the one of prediction and of the saved model unless `type_name` names another.
    """
    own = [term for term in penalties if term.layer == node.name]
    by_weight = {
        weight: list(terms) for weight, terms in groupby(own, key=lambda term: term.weight)
    }
    regularizers = {
        argument: keras_regularizer(by_weight.get(role, []))
        for argument, (role, _) in node.layer.regularizers.items()
    }
    if node.layer.training_only and type_name is None:
        return keras.layers.Identity(name=node.name)
    type_name = type_name or node.layer.in_prediction or node.layer.type_name()
    keras_class = getattr(keras.layers, type_name)
    layer: keras.Layer = keras_class(name=node.name, **node.layer.arguments(), **regularizers)
    return layer


def _call(layer: keras.Layer, inputs: list[tf.Tensor], *, training: bool) -> tf.Tensor:
    argument = inputs if len(inputs) > 1 else inputs[0]
    return layer(argument, training=training)
