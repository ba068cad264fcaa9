"""Layers that merge several inputs into one."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from ridgeline.spec.layers.base import (
    Axis,
    Layer,
    MaskUse,
    Shape,
    ShapeError,
    axis_of,
    render,
)


class _ElementwiseMerge(Layer):
    """Merges inputs element by element. Shapes must be equal: broadcasting would hide mistakes."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)
    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The inputs' common shape."""
        if len(set(inputs)) > 1:
            raise ShapeError(
                f"{self.type_name()} expects inputs of one shape, received {_render_all(inputs)}"
            )
        return inputs[0]

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """A position is kept if any input keeps it; an input without a mask drops the masks."""
        del inputs
        return "passed" if all(masked) else "lost"


class Add(_ElementwiseMerge):
    """The sum of its inputs, element by element: a residual connection (He et al., 2016)."""

    type: Literal["Add"] = "Add"


class Subtract(_ElementwiseMerge):
    """The first input minus the second."""

    type: Literal["Subtract"] = "Subtract"

    arity = (2, 2)


class Multiply(_ElementwiseMerge):
    """The product of its inputs, element by element: a gate."""

    type: Literal["Multiply"] = "Multiply"


class Average(_ElementwiseMerge):
    """The mean of its inputs, element by element."""

    type: Literal["Average"] = "Average"


class Maximum(_ElementwiseMerge):
    """The largest of its inputs, element by element (maxout, Goodfellow et al., 2013)."""

    type: Literal["Maximum"] = "Maximum"


class Minimum(_ElementwiseMerge):
    """The smallest of its inputs, element by element."""

    type: Literal["Minimum"] = "Minimum"


class Concatenate(Layer):
    """Joins its inputs along one axis."""

    type: Literal["Concatenate"] = "Concatenate"
    axis: Axis = -1

    arity = (2, None)
    follows = True
    mask_use = "passed"

    def keeps_numbers(self) -> bool:
        """Always."""
        return True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The inputs' shape, with their sizes along `axis` added."""
        axis = axis_of(self, self.axis, inputs[0])
        if len({_without(shape, axis) for shape in inputs}) > 1:
            raise ShapeError(
                f"Concatenate expects shapes that are equal except along axis {self.axis}, received"
                f" {_render_all(inputs)}"
            )
        return (*inputs[0][:axis], sum(shape[axis] for shape in inputs), *inputs[0][axis + 1 :])


class Dot(Layer):
    """Σ x·y along one axis of each input, for every combination of the other axes."""

    type: Literal["Dot"] = "Dot"
    axes: Axis | tuple[Axis, Axis]
    """One axis for both inputs, or one for each."""
    normalize: bool = False
    """Whether to first divide both inputs by their norms along the axis: cosine similarity."""

    arity = (2, 2)

    def output_shape(self, *inputs: Shape) -> Shape:
        """(a, n), (n, b) → (a, b) for axes [2, 1]; (1,) if no axis remains."""
        left, right = self._axes(inputs)
        first, second = inputs
        if first[left] != second[right]:
            raise ShapeError(
                f"Dot expects axes of equal size, received {first[left]} and {second[right]} of"
                f" {_render_all(inputs)}"
            )
        return (*first[:left], *first[left + 1 :], *second[:right], *second[right + 1 :]) or (1,)

    def multiply_adds(self, *inputs: Shape) -> int:
        """The axis's length for each number of the output."""
        return math.prod(self.output_shape(*inputs)) * inputs[0][self._axes(inputs)[0]]

    def activations(self, *inputs: Shape) -> int:
        """Its output; with `normalize` also its normalized inputs."""
        scaled = sum(math.prod(shape) for shape in inputs) if self.normalize else 0
        return scaled + math.prod(self.output_shape(*inputs))

    def _axes(self, inputs: tuple[Shape, ...]) -> tuple[int, int]:
        left, right = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return axis_of(self, left, inputs[0]), axis_of(self, right, inputs[1])


def _without(shape: Shape, axis: int) -> tuple[int, Shape]:
    return len(shape), shape[:axis] + shape[axis + 1 :]


def _render_all(shapes: tuple[Shape, ...]) -> str:
    """The first few different shapes; there may be a thousand."""
    return ", ".join(render(shape) for shape in list(dict.fromkeys(shapes))[:4])
