"""Layers that regularize by dropout, by noise, or by a penalty on their input."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ridgeline.spec.layers.base import (
    Layer,
    Penalized,
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
"""The mask's shape, batch axis first: 1 along axes that share one draw, else null."""


class _SameShape(Layer):
    """A layer that keeps the shape."""

    mask_use = "passed"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return inputs[0]


class _Drop(_SameShape):
    """A layer that drops with probability `rate`, in training only."""

    rate: Rate
    """Probability of dropping; at 0 the layer does nothing."""

    drops = True


class _Masked(_Drop):
    """A layer whose mask can be shared along axes."""

    noise_shape: _NoiseShape | None = None
    """Shape of the mask, batch axis first: 1 along axes that share one draw, else null."""

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
                    f"{self.type_name()} expects noise_shape to have {len(sizes)} items, the batch"
                    f" axis and the axes of {render(shape)}, each null or 1; received"
                    f" {[*self.noise_shape]}"
                )
        return shape


class Dropout(_Masked):
    """Zeroes each unit with probability `rate` in training and scales the rest by 1/(1 − rate).

    Srivastava et al., 2014.
    """

    type: Literal["Dropout"] = "Dropout"


class AlphaDropout(_Masked):
    """Dropout to selu's negative saturation, which keeps mean and variance (Klambauer, 2017)."""

    type: Literal["AlphaDropout"] = "AlphaDropout"


class GaussianDropout(_Drop):
    """Multiplies by normal noise, mean 1, variance rate/(1 − rate) (Srivastava et al., 2014)."""

    type: Literal["GaussianDropout"] = "GaussianDropout"


class GaussianNoise(_SameShape):
    """Adds normal noise with mean 0 and standard deviation `stddev` in training."""

    type: Literal["GaussianNoise"] = "GaussianNoise"
    stddev: Annotated[float, Field(ge=0.0, le=1.0)]


class SpatialDropout(_Drop):
    """Dropout of whole feature maps, for use after a convolution (Tompson et al., 2015)."""

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
    """Dropout of whole feature maps, for use after a convolution (Tompson et al., 2015)."""

    type: Literal["SpatialDropout2D"] = "SpatialDropout2D"

    spatial = ("height", "width")


class SpatialDropout3D(SpatialDropout):
    """Dropout of whole feature volumes (Tompson et al., 2015)."""

    type: Literal["SpatialDropout3D"] = "SpatialDropout3D"

    spatial = ("depth", "height", "width")


class DropPath(_Drop):
    """Zeroes a row's whole input with probability `rate` and scales the rest by 1/(1 − rate).

    Stochastic depth (Huang et al., 2016), for the end of a residual branch. Not part of Keras.
    """

    type: Literal["DropPath"] = "DropPath"

    training_only = True


class DropBlock2D(_Drop):
    """Zeroes square blocks of each feature map (Ghiasi et al., 2018). Not part of Keras.

    Block centers are drawn with γ = rate/block² · height·width/((height − block + 1)·(width −
    block + 1)), so about `rate` of the map is dropped; the rest is scaled by size/kept.
    """

    type: Literal["DropBlock2D"] = "DropBlock2D"
    block_size: Annotated[int, Field(ge=1, le=256)] = 7
    """Height and width of a block."""

    training_only = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape, (height, width, channels)."""
        expect_rank(self, inputs[0], 3, "height, width, channels")
        if self.block_size > min(inputs[0][:2]):
            raise ShapeError(
                f"DropBlock2D has block_size {self.block_size}, larger than"
                f" {render(inputs[0])}; use a smaller block_size"
            )
        return inputs[0]


class ActivityRegularization(_SameShape):
    """Passes its input on unchanged and penalizes it: (l1·Σ|x| + l2·Σx²) / rows of the batch."""

    type: Literal["ActivityRegularization"] = "ActivityRegularization"
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0

    follows = True

    def penalties(self) -> Iterator[Penalized]:
        """One penalty, on its output."""
        yield Penalized((), ACTIVITY, ActivityPenalty(l1=self.l1, l2=self.l2))
