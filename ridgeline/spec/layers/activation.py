"""Activations as layers of their own."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ridgeline.spec.layers.base import Activation as ActivationName
from ridgeline.spec.layers.base import (
    Axis,
    Governed,
    Layer,
    MaskUse,
    Shape,
    ShapeError,
    VectorInitializer,
    Weight,
    axis_of,
    render,
)
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import WeightPenalty
from ridgeline.spec.schema import NonNegativeFloat

_SharedAxis = Annotated[int, Field(ge=1, le=8)]


class _ElementwiseActivation(Layer):
    """A function applied to each number, or to the numbers along an axis."""

    follows = True
    mask_use: ClassVar[MaskUse] = "passed"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return inputs[0]


class Activation(_ElementwiseActivation):
    """An activation, by name."""

    type: Literal["Activation"] = "Activation"
    activation: ActivationName


class ReLU(_ElementwiseActivation):
    """min(x, max_value) for x ≥ threshold, negative_slope·(x − threshold) below it."""

    type: Literal["ReLU"] = "ReLU"
    max_value: NonNegativeFloat | None = None
    negative_slope: NonNegativeFloat = 0.0
    threshold: NonNegativeFloat = 0.0


class LeakyReLU(_ElementwiseActivation):
    """x for x > 0, negative_slope·x below it (Maas et al., 2013)."""

    type: Literal["LeakyReLU"] = "LeakyReLU"
    negative_slope: NonNegativeFloat = 0.3


class PReLU(_ElementwiseActivation):
    """x for x > 0, alpha·x below it, with an alpha learned for each unit (He et al., 2015)."""

    type: Literal["PReLU"] = "PReLU"
    alpha_initializer: VectorInitializer = "zeros"
    alpha_regularizer: WeightPenalty | None = None
    alpha_constraint: AnyConstraint | None = None
    shared_axes: (
        _SharedAxis
        | Annotated[tuple[_SharedAxis, ...], Field(min_length=1, max_length=8, fail_fast=True)]
        | None
    ) = None
    """Axes along which one alpha is shared; 1 is the first axis of a row. [1, 2] after a Conv2D
    gives one alpha per filter."""

    regularizers: ClassVar[dict[str, Governed]] = {"alpha_regularizer": Governed("alpha")}
    constraints: ClassVar[dict[str, Governed]] = {"alpha_constraint": Governed("alpha")}

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        for axis in self._shared():
            axis_of(self, axis, inputs[0])
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Alpha: the input's shape, with 1 for each shared axis."""
        shared = self._shared()
        sizes = enumerate(inputs[0], start=1)
        return (Weight("alpha", tuple(1 if axis in shared else n for axis, n in sizes)),)

    def _shared(self) -> tuple[int, ...]:
        if self.shared_axes is None:
            return ()
        return (self.shared_axes,) if isinstance(self.shared_axes, int) else self.shared_axes


class ELU(_ElementwiseActivation):
    """x for x > 0, alpha·(exp(x) − 1) below it (Clevert et al., 2016)."""

    type: Literal["ELU"] = "ELU"
    alpha: NonNegativeFloat = 1.0


class Softmax(_ElementwiseActivation):
    """exp(x) / Σexp(x) along one or several axes."""

    type: Literal["Softmax"] = "Softmax"
    axis: Axis | Annotated[tuple[Axis, ...], Field(min_length=1, max_length=8, fail_fast=True)] = -1

    # It would apply the mask, which is over positions, to numbers of the last axis.
    mask_use = "rejected"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        indices = [axis_of(self, axis, inputs[0]) for axis in axes]
        if len(set(indices)) < len(indices):
            raise ShapeError(
                f"Softmax expects each axis once, received {render(axes)} for {render(inputs[0])}"
            )
        return inputs[0]
