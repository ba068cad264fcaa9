"""Layers that merge several inputs into one."""

from typing import Annotated, Literal

from pydantic import Field

from ridgeline.contract.layers.base import Layer, Shape, ShapeError, render


class Add(Layer):
    """The sum of its inputs, element by element: a residual connection."""

    type: Literal["Add"] = "Add"

    arity = (2, None)
    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The inputs' common shape."""
        if len(set(inputs)) > 1:
            shapes = ", ".join(render(shape) for shape in inputs)
            raise ShapeError(f"Add expects inputs of one shape, received {shapes}")
        return inputs[0]


class Concatenate(Layer):
    """Its inputs side by side along one axis."""

    type: Literal["Concatenate"] = "Concatenate"
    axis: Annotated[int, Field(ge=-8, le=8)] = -1
    """As in Keras, axis 0 is the batch, so 1 is the first axis of a row; -1 is the last."""

    arity = (2, None)
    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The inputs' shape with `axis` summed."""
        rank = len(inputs[0])
        axis = self.axis + rank if self.axis < 0 else self.axis - 1
        if not 0 <= axis < rank:
            raise ShapeError(
                f"Concatenate with axis {self.axis} expects an axis of {render(inputs[0])}:"
                f" 1 to {rank}, or -{rank} to -1"
            )
        if len({_without(shape, axis) for shape in inputs}) > 1:
            shapes = ", ".join(render(shape) for shape in inputs)
            raise ShapeError(
                f"Concatenate expects equal shapes but for axis {self.axis}, received {shapes}"
            )
        return (*inputs[0][:axis], sum(shape[axis] for shape in inputs), *inputs[0][axis + 1 :])


def _without(shape: Shape, axis: int) -> tuple[int, Shape]:
    return len(shape), shape[:axis] + shape[axis + 1 :]
