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


class _Elementwise(Layer):
    """A function of each number of its input, or of each among those along one axis."""

    follows = True
    mask_use: ClassVar[MaskUse] = "passed"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return inputs[0]


class Activation(_Elementwise):
    """An activation by its name."""

    type: Literal["Activation"] = "Activation"
    activation: ActivationName


class ReLU(_Elementwise):
    """min(x, max_value) for x ≥ threshold, negative_slope·(x − threshold) below it."""

    type: Literal["ReLU"] = "ReLU"
    max_value: NonNegativeFloat | None = None
    negative_slope: NonNegativeFloat = 0.0
    threshold: NonNegativeFloat = 0.0


class LeakyReLU(_Elementwise):
    """x for x > 0, negative_slope·x below it (Maas et al., 2013)."""

    type: Literal["LeakyReLU"] = "LeakyReLU"
    negative_slope: NonNegativeFloat = 0.3


class PReLU(_Elementwise):
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
    """Axes along which one alpha is shared, the first axis of a row being 1: [1, 2] behind a
    Conv2D, for one alpha a filter."""

    regularizers: ClassVar[dict[str, Governed]] = {"alpha_regularizer": Governed("alpha")}
    constraints: ClassVar[dict[str, Governed]] = {"alpha_constraint": Governed("alpha")}

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        for axis in self._shared():
            axis_of(self, axis, inputs[0])
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Alpha, of the input's shape with 1 for each shared axis."""
        shared = self._shared()
        sizes = enumerate(inputs[0], start=1)
        return (Weight("alpha", tuple(1 if axis in shared else n for axis, n in sizes)),)

    def _shared(self) -> tuple[int, ...]:
        if self.shared_axes is None:
            return ()
        return (self.shared_axes,) if isinstance(self.shared_axes, int) else self.shared_axes


class ELU(_Elementwise):
    """x for x > 0, alpha·(exp(x) − 1) below it (Clevert et al., 2016)."""

    type: Literal["ELU"] = "ELU"
    alpha: NonNegativeFloat = 1.0


class Softmax(_Elementwise):
    """exp(x) / Σexp(x) along an axis or several."""

    type: Literal["Softmax"] = "Softmax"
    axis: Axis | Annotated[tuple[Axis, ...], Field(min_length=1, max_length=8, fail_fast=True)] = -1

    # It would mask numbers of the last axis, and Keras's masks are of positions.
    mask_use = "refused"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        found = [axis_of(self, axis, inputs[0]) for axis in axes]
        if len(set(found)) < len(found):
            raise ShapeError(
                f"Softmax expects each axis once, received {render(axes)} for {render(inputs[0])}"
            )
        return inputs[0]
