"""Whether penalties and constraints can be applied to their weights."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.posted import Path, origin
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import Layer, Weight
from ridgeline.spec.layers.base import Penalized, render
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.regularization.constraints import NonNeg
from ridgeline.spec.regularization.regularizers import WeightPenalty

Origin = Callable[[Path], Path]
"""The path in the spec to a layer's argument, which may be in the policy."""
_MATRIX = 2


def check_applicable(spec: JobSpec, graph: Graph, position: Mapping[str, int]) -> None:
    """Raise SpecError for orthogonal penalties on weights that are no matrix, and for wrong axes.

    Keras would fail in the middle of training. `position` is each layer's index in `spec`; a fault
    of an argument that comes from the policy points to the policy.
    """
    faults = [
        fault
        for node in graph.nodes
        if node.name in position
        for fault in _faults(node, partial(origin, spec, position[node.name]))
    ]
    if faults:
        raise SpecError(faults)


def _faults(node: Node, source: Origin) -> Iterator[Fault]:
    for penalized in node.layer.penalties():
        for weight in node.weights:
            if weight.role == penalized.role:
                yield from _orthogonal_fault(penalized, weight, node, source)
    yield from _axis_faults(node.layer, node, source)


def _orthogonal_fault(
    penalized: Penalized, weight: Weight, node: Node, source: Origin
) -> Iterator[Fault]:
    penalty = penalized.penalty
    if not isinstance(penalty, WeightPenalty) or penalty.orthogonal is None:
        return
    mode = penalty.orthogonal.mode
    if len(weight.shape) != _MATRIX:
        problem = "is no matrix; give this layer l2 instead, or null"
    elif weight.shape[0 if mode == "rows" else 1] < _MATRIX:
        problem = f"has only one of the {mode}; use the other mode"
    else:
        return
    yield Fault(
        pointer=pointer(*source(penalized.argument)),
        detail=f"expected a weight that is a matrix with several {mode}; {weight.name} of"
        f" {node.name!r}, shape {render(weight.shape)}, {problem}",
        rule="orthogonal-matrix",
    )


def _axis_faults(
    layer: Layer, node: Node, source: Origin, inside: tuple[str, ...] = ()
) -> Iterator[Fault]:
    for argument, (role, _) in layer.constraints.items():
        constraint = getattr(layer, argument)
        if constraint is None or isinstance(constraint, NonNeg):
            continue
        given = constraint.axis if isinstance(constraint.axis, tuple) else (constraint.axis,)
        for weight in node.weights:
            if weight.role == role and not _are_axes(given, len(weight.shape)):
                rank = len(weight.shape)
                yield Fault(
                    pointer=pointer(*source((*inside, argument)), "axis"),
                    detail=f"expected axes of {weight.name} of {node.name!r}, shape"
                    f" {render(weight.shape)}: {-rank} to {rank - 1}, no axis twice; received"
                    f" {render(given)}",
                    rule="constraint-axis",
                )
    if isinstance(layer, Wrapper):
        yield from _axis_faults(layer.layer, node, source, (*inside, "layer"))


def _are_axes(given: tuple[int, ...], rank: int) -> bool:
    known = all(-rank <= axis < rank for axis in given)
    return known and len({axis % rank for axis in given}) == len(given)
