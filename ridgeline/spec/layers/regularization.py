"""Layers that regularize by dropping, by noise, or by a penalty on what passes."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ridgeline.spec.layers.base import (
    Layer,
    Penalised,
    Shape,
    ShapeError,
    expect_rank,
    render,
)
from ridgeline.spec.regularization.regularizers import ACTIVITY, ActivityPenalty
from ridgeline.spec.schema import NonNegativeFloat, PositiveInt, Rate

_NoiseShape = Annotated[
    tuple[PositiveInt | None, ...], Field(min_length=2, max_length=9, fail_fast=True)
]
"""The mask's shape, the batch's axis first: 1 along an axis that shares one draw, else null."""


class _SameShape(Layer):
    """A layer that leaves the shape as it is."""

    mask_use = "passed"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return inputs[0]


class _Drop(_SameShape):
    """A layer that drops with probability `rate`; at 0 and outside training it does nothing."""

    rate: Rate

    drops = True


class _Masked(_Drop):
    """A layer whose mask may be shared along axes."""

    noise_shape: _NoiseShape | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        (shape,) = inputs
        if self.noise_shape is not None:
            sizes = (None, *shape)
            fits = len(self.noise_shape) == len(sizes) and all(
                given in (None, 1, size)
                for given, size in zip(self.noise_shape, sizes, strict=True)
            )
            if not fits:
                raise ShapeError(
                    f"{self.type_name()} expects noise_shape to have the batch's axis and those of"
                    f" {render(shape)}, each null or 1"
                )
        return shape


class Dropout(_Masked):
    """Zeroes each unit with probability `rate` in training and scales the rest by 1/(1 − rate).

    Srivastava et al., 2014. At rate 0 and outside training it does nothing.
    """

    type: Literal["Dropout"] = "Dropout"


class AlphaDropout(_Masked):
    """Dropout to the negative saturation of selu, keeping mean and variance (Klambauer, 2017)."""

    type: Literal["AlphaDropout"] = "AlphaDropout"


class GaussianDropout(_Drop):
    """Multiplies by a normal with mean 1 and variance rate/(1 − rate) (Srivastava et al., 2014)."""

    type: Literal["GaussianDropout"] = "GaussianDropout"


class GaussianNoise(_SameShape):
    """Adds a normal with mean 0 and standard deviation `stddev` in training."""

    type: Literal["GaussianNoise"] = "GaussianNoise"
    stddev: Annotated[float, Field(ge=0.0, le=1.0)]


class SpatialDropout(_Drop):
    """Dropout of whole feature maps (Tompson et al., 2015), for behind a convolution."""

    #: The names of the spatial axes.
    spatial: ClassVar[tuple[str, ...]]

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape, (…, channels)."""
        axes = ", ".join((*self.spatial, "channels"))
        expect_rank(self, inputs[0], len(self.spatial) + 1, axes)
        return inputs[0]


class SpatialDropout1D(SpatialDropout):
    """Dropout of whole features of a sequence (Tompson et al., 2015)."""

    type: Literal["SpatialDropout1D"] = "SpatialDropout1D"

    spatial = ("steps",)


class SpatialDropout2D(SpatialDropout):
    """Dropout of whole feature maps (Tompson et al., 2015), for behind a convolution."""

    type: Literal["SpatialDropout2D"] = "SpatialDropout2D"

    spatial = ("height", "width")


class SpatialDropout3D(SpatialDropout):
    """Dropout of whole feature volumes (Tompson et al., 2015)."""

    type: Literal["SpatialDropout3D"] = "SpatialDropout3D"

    spatial = ("depth", "height", "width")


class DropPath(_Drop):
    """Zeroes the whole input of a row with probability `rate`, scaling the rest by 1/(1 − rate).

    Stochastic depth (Huang et al., 2016), for the end of a residual branch. Not of Keras.
    """

    type: Literal["DropPath"] = "DropPath"

    training_only = True


class DropBlock2D(_Drop):
    """Zeroes square blocks of each feature map (Ghiasi et al., 2018). Not of Keras.

    Block centres are drawn with γ = rate/block² · height·width/((height − block + 1)·(width −
    block + 1)), so about `rate` of the map is dropped; what is left is scaled by all/kept.
    """

    type: Literal["DropBlock2D"] = "DropBlock2D"
    block_size: Annotated[int, Field(ge=1, le=256)] = 7

    training_only = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape, (height, width, channels)."""
        expect_rank(self, inputs[0], 3, "height, width, channels")
        if self.block_size > min(inputs[0][:2]):
            raise ShapeError(
                f"DropBlock2D with block_size {self.block_size} does not fit into"
                f" {render(inputs[0])}; use a smaller block"
            )
        return inputs[0]


class ActivityRegularization(_SameShape):
    """Passes its input on and penalizes it: (l1·Σ|x| + l2·Σx²) / rows of the batch."""

    type: Literal["ActivityRegularization"] = "ActivityRegularization"
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0

    follows = True

    def penalties(self) -> Iterator[Penalised]:
        """One, on its output."""
        yield Penalised((), ACTIVITY, ActivityPenalty(l1=self.l1, l2=self.l2))
