"""The network of a graph: its Keras layers, and the ways to apply them."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import keras
import tensorflow as tf

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.resolve import Resolution
from ridgeline.planning.wiring import INPUT
from ridgeline.spec.layers.regularization import ActivityRegularization
from ridgeline.spec.regularization.regularizers import ACTIVITY, PenaltyTerm
from worker.engine.layers import (
    FLOAT32,
    TrainingStage,
    build_layer,
    computes_in,
    penalize_output,
    penalty_layer,
)
from worker.engine.names import keep_free
from worker.engine.regularization.dropout import is_plain_dropout, masks
from worker.engine.regularization.rated import RATED, strength
from worker.engine.seeds import seed_generators

Apply = Callable[[Node, list[tf.Tensor]], tf.Tensor]
Masks = Mapping[str, tf.Tensor]
"""Dropout masks by layer, for a batch of rows."""


class Flow(NamedTuple):
    """The result of a pass through the network."""

    prediction: tf.Tensor
    outputs: dict[str, tf.Tensor]
    """The outputs that a penalty acts on, by layer."""
    target: tf.Tensor | None = None
    """The target, mixed if a layer mixes rows."""


class Network:
    """The Keras layers of a graph, built, with one set of weights.

    Training, inference and the saved model run through functional Keras models over these layers,
    so a padding mask reaches the same layers in all of them. (A layer called by itself takes the
    masks that its inputs carry, and attention removes them from its inputs.) In training, dropout's
    rates and seeds are inputs.
    """

    def __init__(self, resolution: Resolution) -> None:
        self._precision = resolution.spec.training.precision
        keras.utils.set_random_seed(resolution.spec.training.seed)
        self.graph: Graph = resolution.graph
        self._terms = resolution.penalties
        keep_free(node.name for node in self.graph.nodes)
        self.layers = {
            node.name: build_layer(node, self._terms, self._dtype(node))
            for node in self.graph.nodes
            if not node.layer.training_only
        }
        self._penalized = self._penalized_layers()
        source = keras.Input(self.graph.input_shape, name=INPUT)
        outputs = self._flow(source, self._call)
        self.model = keras.Model(source, outputs[self.graph.output.name])
        self._inference = self._functional(source, outputs)
        self.weights = {
            (node.name, weight.name): variable
            for node in self.graph.nodes
            if node.name in self.layers
            for weight, variable in zip(node.weights, self.layers[node.name].weights, strict=True)
        }
        """The variables by layer and weight name."""
        self.rated = [node for node in self.graph.nodes if node.layer.type_name() in RATED]
        """The layers that drop by a rate, in order."""
        self._in_training = {
            node.name: build_layer(node, in_training=True, dtype=self._dtype(node))
            for node in self.graph.nodes
            if node.layer.type_name() not in RATED and _is_other_in_training(node)
        }
        self.generators = seed_generators([*self.layers.values(), *self._in_training.values()])
        """The random number generators of all other layers."""
        self._stages = {
            node.name: TrainingStage(node, self._dtype(node))
            for node in self.graph.nodes
            if node in self.rated or node.name in self._in_training
        }
        self._training = self._training_model() if self._stages else self._inference

    @property
    def rates(self) -> list[float]:
        """The strengths that the spec gives the layers in `rated`."""
        return [strength(node.layer) for node in self.rated]

    @property
    def dropping(self) -> list[bool]:
        """Which layers in `rated` drop: not noise, and not those with rate 0."""
        return [node.layer.drops and strength(node.layer) > 0 for node in self.rated]

    @property
    def takes_tokens(self) -> bool:
        """Whether the numbers of a row choose rows of an Embedding."""
        return INPUT in _before_embeddings(self.graph)

    def draw_masks(self, rows: tf.Tensor, rates: tf.Tensor, seed: tf.Tensor) -> Masks:
        """The masks of all Dropout layers for `rows` rows."""
        return {
            node.name: masks(node.shape, rows, rates[index], seed + tf.constant([0, index]))
            for index, node in enumerate(self.rated)
            if is_plain_dropout(node.layer)
        }

    @property
    def mask_numbers(self) -> int:
        """How many numbers `draw_masks` draws for each row."""
        return sum(math.prod(node.shape) for node in self.rated if is_plain_dropout(node.layer))

    def train(
        self, x: tf.Tensor, y: tf.Tensor, rates: tf.Tensor, seed: tf.Tensor, drawn: Masks
    ) -> Flow:
        """Pass a batch of rows with their targets through in training mode.

        `rates` has shape (rated,); `seed`, shape (2,), is the step's, and each layer adds its
        index. `drawn` are masks for these rows, by layer; the others are drawn here.
        """
        number = {node.name: index for index, node in enumerate(self.rated)}
        target = y

        def compute(node: Node, x: tf.Tensor) -> tf.Tensor:
            nonlocal target
            if node.name in drawn:
                return x * tf.cast(drawn[node.name], x.dtype)
            if node.name in number:
                index = number[node.name]
                rated = RATED[node.layer.type_name()]
                return rated(node.layer, x, rates[index], seed + tf.constant([0, index]))
            if node.layer.mixes_labels:
                rows = {"images": x, "labels": target}
                mixed = self._in_training[node.name](rows, training=True)
                target = mixed["labels"]
                return mixed["images"]
            return self._in_training[node.name](x, training=True)

        for stage in self._stages.values():
            stage.compute = partial(compute, stage.node)
        prediction, outputs = self._run(self._training, x, training=True)
        return Flow(prediction, outputs, target)

    def predict(self, x: tf.Tensor) -> tf.Tensor:
        """Predict a batch of rows in inference mode."""
        return self.infer(x).prediction

    def infer(self, x: tf.Tensor) -> Flow:
        """Pass a batch of rows through in inference mode."""
        return Flow(*self._run(self._inference, x, training=False))

    def keras_model(self, source: tf.Tensor, before: keras.Layer | None = None) -> keras.Model:
        """A plain Keras model over these layers, with `before` (feature scaling) in front."""
        start = source if before is None else before(source)
        outputs = self._flow(start, self._call)
        return keras.Model(source, outputs[self.graph.output.name])

    def penalize_outputs(self) -> None:
        """Add the penalties on outputs to the Keras layers, for the saved model."""
        for name, layer in self._penalized.items():
            own = [term for term in self._terms if (term.layer, term.weight) == (name, ACTIVITY)]
            penalize_output(layer, own)

    def settle(self, terms: Sequence[PenaltyTerm], rates: Sequence[float]) -> None:
        """Set coefficients and rates to those at the end of training, for the saved model.

        `terms` are those of the constructor with new coefficients; `rates` has the order of
        `rates`.
        """
        self._terms = tuple(terms)
        for term in terms:
            if term.kind == "l2" and term.weight != ACTIVITY:
                self.weights[term.layer, term.weight].regularizer.l2 = term.coefficient
        for node, rate in zip(self.rated, rates, strict=True):
            if node.layer.drops and node.name in self.layers:
                self.layers[node.name].rate = rate

    def _penalized_layers(self) -> dict[str, keras.Layer]:
        """The layers that hold the penalties on outputs in the saved model, by whose output."""
        nodes = {node.name: node for node in self.graph.nodes}
        names = dict.fromkeys(term.layer for term in self._terms if term.weight == ACTIVITY)
        return {
            name: penalty_layer(nodes[name], self._dtype(nodes[name]), nodes) or self.layers[name]
            for name in names
        }

    def _training_model(self) -> keras.Model:
        """The functional model of training, with a stage where training computes a layer itself."""

        def call(node: Node, inputs: list[tf.Tensor]) -> tf.Tensor:
            stage = self._stages.get(node.name)
            return self._call(node, inputs) if stage is None else stage(inputs[0])

        source = keras.Input(self.graph.input_shape, name=INPUT)
        return self._functional(source, self._flow(source, call))

    def _functional(self, source: tf.Tensor, outputs: Mapping[str, tf.Tensor]) -> keras.Model:
        """A model whose outputs are the prediction and the penalized layers' outputs."""
        # The prediction first: Keras orders the layers by it, as in the saved model.
        names = (self.graph.output.name, *self._penalized)
        return keras.Model(source, [outputs[name] for name in names])

    def _run(
        self, model: keras.Model, x: tf.Tensor, *, training: bool
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        prediction, *penalized = keras.tree.flatten(model(x, training=training))
        return prediction, dict(zip(self._penalized, penalized, strict=True))

    def _flow(self, x: tf.Tensor, apply: Apply) -> dict[str, tf.Tensor]:
        outputs = {INPUT: x}
        for node in self.graph.nodes:
            inputs = [outputs[name] for name in node.layer.inputs or ()]
            outputs[node.name] = apply(node, inputs)
        return outputs

    def _dtype(self, node: Node) -> str:
        """The dtype policy of a layer.

        The output layer uses full precision, since a loss of half-precision numbers is noise; so do
        layers before an Embedding, since bfloat16 holds no token number above 256 exactly, an
        ActivityRegularization, whose sum would overflow, and layers that Keras cannot compute in
        half precision.
        """
        full = (
            node is self.graph.output
            or isinstance(node.layer, ActivityRegularization)
            or node.name in _before_embeddings(self.graph)
            or not computes_in(self._precision, node.layer)
        )
        return FLOAT32 if full else self._precision

    def _call(self, node: Node, inputs: list[tf.Tensor]) -> tf.Tensor:
        layer = self.layers.get(node.name)
        if layer is None:  # exists in training only
            return inputs[0]
        if node.layer.inputs_as == "arguments":
            # Attention over one input attends to itself.
            output = layer(*(inputs if len(inputs) > 1 else inputs * 2))
        else:
            output = layer(inputs if len(inputs) > 1 else inputs[0])
        penalized = self._penalized.get(node.name, layer)
        return output if penalized is layer else penalized(output)


def _before_embeddings(graph: Graph) -> set[str]:
    """The layers whose output reaches an Embedding."""
    names: set[str] = set()
    for node in reversed(graph.nodes):
        if node.layer.type_name() == "Embedding" or node.name in names:
            names |= set(node.layer.inputs or ())
    return names


def _is_other_in_training(node: Node) -> bool:
    return node.layer.training_only or node.layer.in_prediction is not None
