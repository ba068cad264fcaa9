"""Core layers: Dense, Activation, Flatten, Reshape."""

import math
from typing import Annotated, Literal

from pydantic import Field

from ridgeline.contract.layers.base import (
    Activation as ActivationName,
)
from ridgeline.contract.layers.base import (
    Layer,
    Shape,
    ShapeError,
    Weight,
    render,
)
from ridgeline.contract.layers.kernel import KernelLayer
from ridgeline.contract.schema import PositiveInt


class Dense(KernelLayer):
    """activation(x·kernel + bias) over the last axis."""

    type: Literal["Dense"] = "Dense"
    units: PositiveInt
    activation: ActivationName = "linear"

    dropout_site = "dense"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, features) → (…, units)."""
        return (*inputs[0][:-1], self.units)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (features, units) and bias (units,)."""
        return self.kernel_and_bias((inputs[0][-1], self.units))


class Activation(Layer):
    """An activation on its own."""

    type: Literal["Activation"] = "Activation"
    activation: ActivationName

    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return inputs[0]


class Flatten(Layer):
    """All axes into one."""

    type: Literal["Flatten"] = "Flatten"

    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """(a, b, …) → (a·b·…,)."""
        return (math.prod(inputs[0]),)


class Reshape(Layer):
    """The same elements in another shape; one axis may be -1."""

    type: Literal["Reshape"] = "Reshape"
    target_shape: Annotated[
        tuple[Annotated[int, Field(ge=-1, le=2**31 - 1)], ...],
        Field(min_length=1, max_length=8, fail_fast=True),
    ]

    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """`target_shape` with -1 worked out."""
        total = math.prod(inputs[0])
        known = math.prod(size for size in self.target_shape if size != -1)
        unknown = self.target_shape.count(-1)
        fits = known > 0 and (total == known if unknown == 0 else total % known == 0)
        if unknown > 1 or not fits:
            raise ShapeError(
                f"Reshape cannot turn {render(inputs[0])} ({total} elements) into"
                f" {render(self.target_shape)}; the elements must be as many, with at most one -1"
            )
        return tuple(total // known if size == -1 else size for size in self.target_shape)
