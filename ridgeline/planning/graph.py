"""A network's shapes, parameters and memory by integer arithmetic, without TensorFlow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ridgeline.planning.wiring import INPUT
from ridgeline.spec.dataset import DatasetShape
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers import Layer, Shape, ShapeError, Weight
from ridgeline.spec.layers.base import render
from ridgeline.spec.schema import Contract
from ridgeline.spec.training import Optimizer

BYTES_PER_NUMBER = 4
EVALUATION_BYTES = 64 * 2**20
MOST_EVALUATED = 1024
BLOCK_BYTES = 64 * 2**20
"""What is read at once where rows stream."""
MAX_NUMBERS = 2**48
"""What one tensor may hold. No machine has as much; beyond it the arithmetic itself grows slow."""
MAX_AXES = 8
"""Of a row. TensorFlow broadcasts tensors of nine axes, the batch one of them, and no more."""

MAX_SOFTMAX_AXES = 4
"""Of a row. TensorFlow's softmax on CPUs takes five axes, the batch one of them, and no more."""


class Parameters(Contract):
    """How many numbers a model holds, as Keras's `count_params()` counts them."""

    total: int
    trainable: int
    non_trainable: int


class Node(NamedTuple):
    """A layer with the shapes it takes and gives."""

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
        """Numbers that the layer makes of one row."""
        return self.layer.activations(*self.input_shapes)


@dataclass(frozen=True)
class Graph:
    """Wired layers in topological order, with their shapes; the output is the last."""

    input_shape: Shape
    nodes: tuple[Node, ...]

    @property
    def output(self) -> Node:
        """The layer that predicts."""
        return self.nodes[-1]

    @property
    def parameters(self) -> Parameters:
        """The sizes of all weights, summed."""
        weights = [weight for node in self.nodes for weight in node.weights]
        trainable = sum(weight.size for weight in weights if weight.trainable)
        total = sum(weight.size for weight in weights)
        return Parameters(total=total, trainable=trainable, non_trainable=total - trainable)

    @property
    def activations(self) -> int:
        """Numbers that one row becomes on its way, the row itself included."""
        return math.prod(self.input_shape) + sum(node.activations for node in self.nodes)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds by which one row passes through the kernels."""
        return sum(node.layer.multiply_adds(*node.input_shapes) for node in self.nodes)


def build_graph(
    layers: Sequence[Layer], input_shape: Shape, position: Mapping[str, int] | None = None
) -> Graph:
    """Work out every shape of wired layers.

    `position` maps a layer's name to its place in the spec, for error pointers; by default the
    order given. Raises SpecError, naming both layers, where one cannot take the other's
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


def memory_bytes(
    graph: Graph,
    data: DatasetShape,
    *,
    batch_size: int,
    optimizer: Optimizer,
    stream: bool,
    archived: bool,
) -> int:
    """Estimate the bytes training takes: data, weights, gradients, optimizer slots, activations.

    Every number is a float32, but for the rows' own: they are held as the data has them, all of
    them or, where they `stream`, the block in use and the one that is read meanwhile. Activations
    of one batch are held once forward and once as gradients, or those of an evaluated batch forward
    alone, if they are more. Gradients and activations are gone when the model is `archived`, as
    `model.keras`: Keras puts weights and slots together in memory once more before it writes them.
    """
    parameters = graph.parameters
    held = parameters.total + optimizer_numbers(graph, optimizer)
    evaluated = min(evaluation_rows(graph, batch_size=batch_size), data.all_rows)
    activations = max(2 * min(batch_size, data.rows), evaluated) * graph.activations
    passing = max(parameters.trainable + activations, held if archived else 0)
    rows = data.all_rows
    if stream:
        rows = min(rows, 2 * block_rows(data.row_bytes, batch_size=batch_size))
    return BYTES_PER_NUMBER * (held + passing) + rows * data.row_bytes


def block_rows(row_bytes: int, *, batch_size: int) -> int:
    """How many streamed rows are read at once: whole batches of about BLOCK_BYTES, one at least."""
    return max(1, BLOCK_BYTES // (row_bytes * batch_size)) * batch_size


def evaluation_rows(graph: Graph, *, batch_size: int) -> int:
    """How many rows are evaluated at once: what training's memory allows, or more if that is small.

    Without gradients twice the batch takes what a training step does.
    """
    affordable = EVALUATION_BYTES // (BYTES_PER_NUMBER * graph.activations)
    return max(2 * batch_size, min(affordable, MOST_EVALUATED))


def optimizer_numbers(graph: Graph, optimizer: Optimizer) -> int:
    """How many numbers the optimizer keeps beside the weights."""
    return sum(
        optimizer.numbers(f"{node.name}/{weight.name}", weight.shape)
        for node in graph.nodes
        for weight in node.weights
        if weight.trainable
    )


def _check_size(node: Node, index: int) -> None:
    """Raise SpecError where one layer alone is beyond every machine, or has too many axes."""
    if len(node.shape) > MAX_AXES:
        detail = (
            f"layer {node.name!r} would give {len(node.shape)} axes, {render(node.shape)};"
            f" expected at most {MAX_AXES}"
        )
        at = pointer("model", "layers", index)
        raise SpecError([Fault(pointer=at, detail=detail, rule="too-many-axes")])
    numbers = max(node.activations, *(weight.size for weight in node.weights), 0)
    if numbers <= MAX_NUMBERS:
        return
    detail = (
        f"layer {node.name!r} would hold about {BYTES_PER_NUMBER * numbers / 2**30:,.0f} GiB in one"
        " tensor; give it or the layers before it fewer units"
    )
    raise SpecError(
        [Fault(pointer=pointer("model", "layers", index), detail=detail, rule="memory")]
    )


def _check_softmax(node: Node, index: int) -> None:
    layer = node.layer
    softmax = layer.type_name() == "Softmax" or getattr(layer, "activation", None) == "softmax"
    if softmax and len(node.shape) > MAX_SOFTMAX_AXES:
        detail = (
            f"layer {node.name!r} would take a softmax of {len(node.shape)} axes,"
            f" {render(node.shape)}; TensorFlow's softmax takes at most {MAX_SOFTMAX_AXES}"
        )
        at = pointer("model", "layers", index)
        raise SpecError([Fault(pointer=at, detail=detail, rule="too-many-axes")])


def _misfit(layer: Layer, index: int, error: ShapeError) -> Fault:
    sources = " and ".join(
        "the data" if name == INPUT else f"layer {name!r}" for name in layer.inputs or ()
    )
    return Fault(
        pointer=pointer("model", "layers", index),
        detail=f"layer {layer.name!r} cannot take the output of {sources}: {error}",
        rule="shapes-connect",
    )
