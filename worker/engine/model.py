"""Builds the Keras layers of a graph and wires them."""

from collections.abc import Callable
from itertools import groupby

import keras
import tensorflow as tf

from ridgeline.contract.graph import Graph, Node
from ridgeline.contract.regularizers import PenaltyTerm
from ridgeline.contract.resolve import Resolution
from ridgeline.contract.wiring import INPUT
from worker.engine.regularization.dropout import dropout, is_dropout
from worker.engine.regularization.penalty import keras_regularizer

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
        self.dropouts = [name for name, layer in self.layers.items() if is_dropout(layer)]

    @property
    def rates(self) -> tf.Tensor:
        """The rates of the dropout layers, in order, shape (dropouts,)."""
        rates = [self.layers[name].rate for name in self.dropouts]
        return tf.constant(rates, tf.float32, [len(rates)])

    def train(self, x: tf.Tensor, rates: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Predict a batch in training mode.

        `rates` has shape (dropouts,); `seed`, shape (2,), is this step's, to which each layer
        adds its number.
        """
        number = {id(self.layers[name]): index for index, name in enumerate(self.dropouts)}

        def apply(layer: keras.Layer, inputs: list[tf.Tensor]) -> tf.Tensor:
            index = number.get(id(layer))
            if index is None:
                return _call(layer, inputs, training=True)
            return dropout(layer, inputs[0], rates[index], seed + tf.constant([0, index]))

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


def build_layer(node: Node, penalties: tuple[PenaltyTerm, ...] = ()) -> keras.Layer:
    """The Keras layer a node of the graph says, with the regularizers its penalty terms say."""
    own = [term for term in penalties if term.layer == node.name]
    by_weight = {
        weight: list(terms) for weight, terms in groupby(own, key=lambda term: term.weight)
    }
    regularizers = {
        argument: keras_regularizer(by_weight.get(role, []))
        for argument, (role, _) in node.layer.regularizers.items()
    }
    keras_class = getattr(keras.layers, node.layer.type_name())
    layer: keras.Layer = keras_class(name=node.name, **node.layer.arguments(), **regularizers)
    return layer


def _call(layer: keras.Layer, inputs: list[tf.Tensor], *, training: bool) -> tf.Tensor:
    argument = inputs if len(inputs) > 1 else inputs[0]
    return layer(argument, training=training)
