"""Normalizations."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from ridgeline.spec.layers.base import (
    Axis,
    Governed,
    Layer,
    MaskUse,
    Shape,
    ShapeError,
    Weight,
    render,
)
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import WeightPenalty
from ridgeline.spec.schema import (
    Contract,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    each_once,
)


def _one_way(axes: tuple[int, ...]) -> tuple[int, ...]:
    if min(axes) < 0 <= max(axes):
        raise ValueError(
            f"expected all axes positive or all negative, received {', '.join(map(str, axes))}"
        )
    return axes


_Axes = (
    Axis
    | Annotated[
        tuple[Axis, ...],
        Field(min_length=1, max_length=8, fail_fast=True),
        AfterValidator(each_once),
        AfterValidator(_one_way),
    ]
)
"""One axis or several."""
_Start = Literal["zeros", "ones"]


class _Normalization(Layer):
    """A layer that normalizes its input along `axis`."""

    follows = True
    mask_use: ClassVar[MaskUse] = "passed"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        self.axes(inputs[0])
        return inputs[0]

    def axes(self, shape: Shape) -> tuple[int, ...]:
        """`axis` as indices in a row's shape, ascending.

        Raises ShapeError if the row has no such axis.
        """
        given: int | tuple[int, ...] = getattr(self, "axis", -1)
        axes = sorted(given if isinstance(given, tuple) else (given,))
        rank = len(shape)
        indices = tuple(axis + rank if axis < 0 else axis - 1 for axis in axes)
        if not all(0 <= index < rank for index in indices):
            raise ShapeError(
                f"{self.type_name()} has axis {given}; expected axes of {render(shape)}:"
                f" 1 to {rank}, or -{rank} to -1"
            )
        return indices


class _Affine(_Normalization):
    """A normalization followed by scaling by gamma and shifting by beta."""

    center: bool = True
    """Whether to shift by beta."""
    scale: bool = True
    """Whether to scale by gamma."""
    beta_initializer: _Start = "zeros"
    gamma_initializer: _Start = "ones"
    beta_regularizer: WeightPenalty | None = None
    gamma_regularizer: WeightPenalty | None = None
    beta_constraint: AnyConstraint | None = None
    gamma_constraint: AnyConstraint | None = None

    regularizers: ClassVar[dict[str, Governed]] = {
        "beta_regularizer": Governed("beta"),
        "gamma_regularizer": Governed("gamma"),
    }
    constraints: ClassVar[dict[str, Governed]] = {
        "beta_constraint": Governed("beta"),
        "gamma_constraint": Governed("gamma"),
    }

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Gamma and beta, over `axis`."""
        shape = tuple(inputs[0][axis] for axis in self.axes(inputs[0]))
        gamma = (Weight("gamma", shape),) if self.scale else ()
        return (*gamma, Weight("beta", shape)) if self.center else gamma


class RenormClipping(Contract):
    """Bounds of batch renormalization: x·r + d with rmin ≤ r ≤ rmax and |d| ≤ dmax."""

    rmax: PositiveFloat | None = None
    rmin: NonNegativeFloat | None = None
    dmax: NonNegativeFloat | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "RenormClipping":
        if self.rmax is not None and self.rmin is not None and self.rmax < self.rmin:
            raise ValueError(f"expected rmin ({self.rmin:g}) at most rmax ({self.rmax:g})")
        return self


class BatchNormalization(_Affine):
    """Normalizes each channel over the batch (Ioffe & Szegedy, 2015)."""

    type: Literal["BatchNormalization"] = "BatchNormalization"
    axis: Axis = -1
    """The axis of the channels."""
    momentum: Fraction = 0.99
    epsilon: PositiveFloat = 1e-3
    renorm: bool = False
    """Batch renormalization (Ioffe, 2017): corrects small batches by the moving statistics."""
    renorm_clipping: RenormClipping | None = None
    renorm_momentum: Fraction = 0.99

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Gamma and beta, which are trained, and the moving statistics, which are not."""
        (channels,) = self.axes(inputs[0])
        names = ["moving_mean", "moving_variance"]
        if self.renorm:
            names += ["moving_stddev", "renorm_mean", "renorm_stddev"]
        shape = (inputs[0][channels],)
        statistics = tuple(Weight(name, shape, trainable=False) for name in names)
        return super().weights(*inputs) + statistics

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class, `renorm_clipping` as a dictionary."""
        clipping = self.renorm_clipping
        given = clipping.model_dump(exclude_none=True) if clipping else None
        return super().arguments() | {"renorm_clipping": given}


class LayerNormalization(_Affine):
    """Normalizes each row over `axis` (Ba et al., 2016)."""

    type: Literal["LayerNormalization"] = "LayerNormalization"
    axis: _Axes = -1
    epsilon: PositiveFloat = 1e-3


class GroupNormalization(_Affine):
    """Normalizes each row's channels in groups (Wu & He, 2018)."""

    type: Literal["GroupNormalization"] = "GroupNormalization"
    groups: Annotated[int, Field(ge=-1, le=2**31 - 1)] = 32
    """A divisor of the number of channels; -1 for one group per channel: instance normalization."""
    axis: Axis = -1
    """The axis of the channels."""
    epsilon: PositiveFloat = 1e-3

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        (axis,) = self.axes(inputs[0])
        channels = inputs[0][axis]
        if self.groups == 0 or (self.groups > 0 and channels % self.groups):
            raise ShapeError(
                f"GroupNormalization expects groups to divide the {channels} channels, or -1;"
                f" received {self.groups}"
            )
        return inputs[0]


class RMSNormalization(_Normalization):
    """x·scale/√(mean x²) along the last axis (Zhang & Sennrich, 2019).

    There is no `axis`: with another one, Keras fails to scale.
    """

    type: Literal["RMSNormalization"] = "RMSNormalization"
    epsilon: PositiveFloat = 1e-6

    mask_use = "lost"

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The scale, over the last axis."""
        return (Weight("scale", inputs[0][-1:]),)


class UnitNormalization(_Normalization):
    """x/‖x‖ along `axis`."""

    type: Literal["UnitNormalization"] = "UnitNormalization"
    axis: _Axes = -1
