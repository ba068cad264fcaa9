"""Constraints on norms that are taken over the wrong axes."""

from collections.abc import Iterator

from ridgeline.planning.advice.base import Case, Finding, rule
from ridgeline.planning.graph import Node
from ridgeline.planning.posted import Path
from ridgeline.spec.layers import Layer, Weight
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.regularization.constraints import AnyConstraint, NonNeg

_MATRIX = 2


@rule(
    "max-norm-axis",
    "warning",
    "Keras, MaxNorm: for a Conv2D's kernel use axis [0, 1, 2]",
)
def max_norm_axis(case: Case) -> Iterator[Finding]:
    """A norm over axis 0 of a convolution's kernel, which is one line of its window."""
    for node, _ in case.posted:
        yield from _misplaced(node.layer, node, case, ())


def _misplaced(layer: Layer, node: Node, case: Case, inside: Path) -> Iterator[Finding]:
    for argument, (role, _) in layer.constraints.items():
        constraint: AnyConstraint | None = getattr(layer, argument)
        if constraint is None or isinstance(constraint, NonNeg):
            continue
        for weight in node.weights:
            axes = _input_axes(weight)
            window = len(weight.shape) > _MATRIX and len(axes) > 1
            if weight.role == role and window and constraint.axis in (0, (0,)):
                at = (*case.origin(node, (*inside, argument)), "axis")
                yield at, _message(constraint.type, weight, axes)
    if isinstance(layer, Wrapper):
        yield from _misplaced(layer.layer, node, case, (*inside, "layer"))


def _message(kind: str, weight: Weight, axes: tuple[int, ...]) -> str:
    return (
        f"{kind} with axis 0 takes the norm of single lines of a window; for all that comes into a"
        f" unit of this {weight.role} use axis {list(axes)}."
    )


def _input_axes(weight: Weight) -> tuple[int, ...]:
    return tuple(range(len(weight.shape) - 1)) if weight.input_axes is None else weight.input_axes
