"""Whether penalties and constraints can be applied to the weights they are put on."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.posted import Path, origin
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import Layer, Weight
from ridgeline.spec.layers.base import Penalised, render
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.regularization.constraints import NonNeg
from ridgeline.spec.regularization.regularizers import WeightPenalty

Said = Callable[[Path], Path]
"""Where in the spec an argument of a layer is said."""
_MATRIX = 2


def check_applicable(spec: JobSpec, graph: Graph, position: Mapping[str, int]) -> None:
    """Raise SpecError for an orthogonal penalty on what is no matrix, and for axes that are not.

    Keras would say so in the middle of training. `position` gives each layer's place in `spec`;
    what a layer has from the policy is a fault of the policy.
    """
    faults = [
        fault
        for node in graph.nodes
        if node.name in position
        for fault in _faults(node, partial(origin, spec, position[node.name]))
    ]
    if faults:
        raise SpecError(faults)


def _faults(node: Node, said: Said) -> Iterator[Fault]:
    for penalised in node.layer.penalties():
        for weight in node.weights:
            if weight.role == penalised.role:
                yield from _orthogonal_fault(penalised, weight, node, said)
    yield from _axis_faults(node.layer, node, said)


def _orthogonal_fault(
    penalised: Penalised, weight: Weight, node: Node, said: Said
) -> Iterator[Fault]:
    penalty = penalised.penalty
    if not isinstance(penalty, WeightPenalty) or penalty.orthogonal is None:
        return
    mode = penalty.orthogonal.mode
    if len(weight.shape) != _MATRIX:
        problem = "is no matrix; give this layer l2 in its place, or null"
    elif weight.shape[0 if mode == "rows" else 1] < _MATRIX:
        problem = f"has one of {mode} only, and nothing to be orthogonal to; use the other mode"
    else:
        return
    yield Fault(
        pointer=pointer(*said(penalised.argument)),
        detail=f"expected a weight that is a matrix of several {mode}; {weight.name} of"
        f" {node.name!r}, shape {render(weight.shape)}, {problem}",
        rule="orthogonal-matrix",
    )


def _axis_faults(
    layer: Layer, node: Node, said: Said, inside: tuple[str, ...] = ()
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
                    pointer=pointer(*said((*inside, argument)), "axis"),
                    detail=f"expected axes of {weight.name} of {node.name!r}, shape"
                    f" {render(weight.shape)}: {-rank} to {rank - 1}, each once; received"
                    f" {render(given)}",
                    rule="constraint-axis",
                )
    if isinstance(layer, Wrapper):
        yield from _axis_faults(layer.layer, node, said, (*inside, "layer"))


def _are_axes(given: tuple[int, ...], rank: int) -> bool:
    known = all(-rank <= axis < rank for axis in given)
    return known and len({axis % rank for axis in given}) == len(given)
