"""A network's shapes, parameters and memory by integer arithmetic, without TensorFlow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ridgeline.planning.wiring import INPUT
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers import Layer, Shape, ShapeError, Weight
from ridgeline.spec.layers.base import render
from ridgeline.spec.schema import Contract

BYTES_PER_NUMBER = 4
MAX_NUMBERS = 2**48
"""Most numbers in one tensor: more than any machine holds, and few enough for fast arithmetic."""
MAX_AXES = 8
"""Most axes of a row: TensorFlow broadcasts at most nine, including the batch."""
MAX_SOFTMAX_AXES = 4
"""Most axes of a row in a softmax: TensorFlow's on CPUs allows five, including the batch."""


class Parameters(Contract):
    """Number of a model's parameters, as in Keras's `count_params()`."""

    total: int
    trainable: int
    non_trainable: int


class Node(NamedTuple):
    """A layer with its input and output shapes and its weights."""

    layer: Layer
    input_shapes: tuple[Shape, ...]
    shape: Shape
    weights: tuple[Weight, ...]

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.layer.name)

    @property
    def activations(self) -> int:
        """Numbers that the layer computes for one row."""
        return self.layer.activations(*self.input_shapes)


@dataclass(frozen=True)
class Graph:
    """Wired layers in topological order, with their shapes; the last is the output."""

    input_shape: Shape
    nodes: tuple[Node, ...]

    @property
    def output(self) -> Node:
        """The output layer."""
        return self.nodes[-1]

    @property
    def parameters(self) -> Parameters:
        """The total size of all weights."""
        weights = [weight for node in self.nodes for weight in node.weights]
        trainable = sum(weight.size for weight in weights if weight.trainable)
        total = sum(weight.size for weight in weights)
        return Parameters(total=total, trainable=trainable, non_trainable=total - trainable)

    @property
    def activations(self) -> int:
        """Numbers computed for one row by all layers, plus the row itself."""
        return math.prod(self.input_shape) + sum(node.activations for node in self.nodes)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one row in all layers."""
        return sum(node.layer.multiply_adds(*node.input_shapes) for node in self.nodes)


def build_graph(
    layers: Sequence[Layer], input_shape: Shape, position: Mapping[str, int] | None = None
) -> Graph:
    """Infer every shape of wired layers.

    `position` maps a layer's name to its index in the spec, for error pointers; by default the
    index in `layers`. Raises SpecError, naming both layers, if one cannot accept the other's
    output.
    """
    shapes: dict[str, Shape] = {INPUT: input_shape}
    nodes = []
    for index, layer in enumerate(layers):
        inputs = tuple(shapes[name] for name in layer.inputs or ())
        place = position[str(layer.name)] if position and layer.name in position else index
        try:
            shape = layer.output_shape(*inputs)
        except ShapeError as error:
            raise SpecError([_misfit(layer, place, error)]) from error
        node = Node(layer, inputs, shape, layer.weights(*inputs))
        _check_size(node, place)
        _check_softmax(node, place)
        nodes.append(node)
        shapes[str(layer.name)] = shape
    return Graph(input_shape, tuple(nodes))


def _check_size(node: Node, index: int) -> None:
    """Raise SpecError if a layer is too large for any machine, or has too many axes."""
    if len(node.shape) > MAX_AXES:
        detail = (
            f"layer {node.name!r} would output {len(node.shape)} axes, {render(node.shape)};"
            f" expected at most {MAX_AXES}"
        )
        at = pointer("model", "layers", index)
        raise SpecError([Fault(pointer=at, detail=detail, rule="too-many-axes")])
    numbers = max(node.activations, *(weight.size for weight in node.weights), 0)
    if numbers <= MAX_NUMBERS:
        return
    detail = (
        f"layer {node.name!r} would need about {BYTES_PER_NUMBER * numbers / 2**30:,.0f} GiB for"
        " one tensor; give it or the layers before it fewer units"
    )
    raise SpecError(
        [Fault(pointer=pointer("model", "layers", index), detail=detail, rule="memory")]
    )


def _check_softmax(node: Node, index: int) -> None:
    layer = node.layer
    softmax = layer.type_name() == "Softmax" or getattr(layer, "activation", None) == "softmax"
    if softmax and len(node.shape) > MAX_SOFTMAX_AXES:
        detail = (
            f"layer {node.name!r} would apply a softmax to {len(node.shape)} axes,"
            f" {render(node.shape)}; TensorFlow's softmax allows at most {MAX_SOFTMAX_AXES}"
        )
        at = pointer("model", "layers", index)
        raise SpecError([Fault(pointer=at, detail=detail, rule="too-many-axes")])


def _misfit(layer: Layer, index: int, error: ShapeError) -> Fault:
    sources = " and ".join(
        "the data" if name == INPUT else f"layer {name!r}" for name in layer.inputs or ()
    )
    return Fault(
        pointer=pointer("model", "layers", index),
        detail=f"layer {layer.name!r} cannot accept the output of {sources}: {error}",
        rule="shapes-connect",
    )
