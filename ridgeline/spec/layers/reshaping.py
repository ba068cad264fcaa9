"""Layers that reshape, repeat, crop or pad their input."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from ridgeline.spec.layers.base import Layer, Shape, ShapeError, expect_rank, render
from ridgeline.spec.layers.window import (
    Pair,
    Size,
    Sizes,
    Triple,
    expect_spatial,
    spread,
)
from ridgeline.spec.schema import PositiveInt

_Margin = Annotated[int, Field(ge=0, le=65_536)]
_Sides = _Margin | tuple[_Margin, _Margin]
"""One number for both sides, or one each for before and after."""
_Margins = _Sides | tuple[_Sides, _Sides] | tuple[_Sides, _Sides, _Sides]


class _Reshaping(Layer):
    """A layer that moves numbers without computing new ones."""

    follows = True

    def keeps_numbers(self) -> bool:
        """Always."""
        return True


class Flatten(_Reshaping):
    """Joins all axes into one."""

    type: Literal["Flatten"] = "Flatten"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(a, b, …) → (a·b·…,)."""
        return (math.prod(inputs[0]),)


class Reshape(_Reshaping):
    """Gives the same elements another shape; one axis may be -1, to be inferred."""

    type: Literal["Reshape"] = "Reshape"
    target_shape: Annotated[
        tuple[Annotated[int, Field(ge=-1, le=2**31 - 1)], ...],
        Field(min_length=1, max_length=8, fail_fast=True),
    ]

    def output_shape(self, *inputs: Shape) -> Shape:
        """`target_shape` with -1 inferred."""
        total = math.prod(inputs[0])
        known = math.prod(size for size in self.target_shape if size != -1)
        unknown = self.target_shape.count(-1)
        fits = known > 0 and (total == known if unknown == 0 else total % known == 0)
        if unknown > 1 or not fits:
            raise ShapeError(
                f"Reshape cannot turn {render(inputs[0])} ({total} elements) into"
                f" {render(self.target_shape)}; expected the same number of elements and at most"
                " one -1"
            )
        return tuple(total // known if size == -1 else size for size in self.target_shape)


class Permute(_Reshaping):
    """Reorders the axes."""

    type: Literal["Permute"] = "Permute"
    dims: Annotated[
        tuple[Annotated[int, Field(ge=1, le=8)], ...],
        Field(min_length=1, max_length=8, fail_fast=True),
    ]
    """The input axis of each output axis; 1 is the first axis of a row. [2, 1] swaps two axes."""

    @field_validator("dims")
    @classmethod
    def _each_axis_once(cls, dims: tuple[int, ...]) -> tuple[int, ...]:
        if sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(
                f"expected every number from 1 to {len(dims)} once, received {render(dims)}"
            )
        return dims

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's sizes in the order of `dims`."""
        if len(inputs[0]) != len(self.dims):
            raise ShapeError(
                f"Permute with dims {render(self.dims)} expects {len(self.dims)} axes, received"
                f" {render(inputs[0])}"
            )
        return tuple(inputs[0][dim - 1] for dim in self.dims)


class RepeatVector(_Reshaping):
    """Repeats a row's vector `n` times, as steps."""

    type: Literal["RepeatVector"] = "RepeatVector"
    n: PositiveInt

    def output_shape(self, *inputs: Shape) -> Shape:
        """(features,) → (n, features)."""
        expect_rank(self, inputs[0], 1, "features")
        return (self.n, *inputs[0])


class _Cropping(_Reshaping):
    """Crops both ends of each spatial axis."""

    rank: ClassVar[int]

    cropping: _Margins

    def output_shape(self, *inputs: Shape) -> Shape:
        """(n, …, channels) → (n − before − after, …, channels), at least 1 along every axis."""
        spatial = expect_spatial(self, inputs[0], self.rank)
        margins = _each_side(self._margins(), self.rank)
        left = tuple(n - sum(sides) for n, sides in zip(spatial, margins, strict=True))
        if min(left) < 1:
            raise ShapeError(
                f"{self.type_name()} would leave {render(left)} of {render(spatial)}; expected at"
                " least 1 along every axis: crop less"
            )
        return (*left, inputs[0][-1])

    def _margins(self) -> int | tuple[_Sides, ...]:
        return self.cropping


class Cropping1D(_Cropping):
    """Crops steps of (steps, channels)."""

    type: Literal["Cropping1D"] = "Cropping1D"
    cropping: _Sides = 1

    rank = 1

    def _margins(self) -> tuple[_Sides, ...]:
        return (self.cropping,)


class Cropping2D(_Cropping):
    """Crops the borders of (height, width, channels)."""

    type: Literal["Cropping2D"] = "Cropping2D"
    cropping: _Margin | tuple[_Sides, _Sides] = 0

    rank = 2


class Cropping3D(_Cropping):
    """Crops the borders of (depth, height, width, channels)."""

    type: Literal["Cropping3D"] = "Cropping3D"
    cropping: _Margin | tuple[_Sides, _Sides, _Sides] = 1

    rank = 3


class _ZeroPadding(_Reshaping):
    """Pads both ends of each spatial axis with zeros."""

    rank: ClassVar[int]

    padding: _Margins

    def output_shape(self, *inputs: Shape) -> Shape:
        """(n, …, channels) → (before + n + after, …, channels)."""
        spatial = expect_spatial(self, inputs[0], self.rank)
        margins = _each_side(self._margins(), self.rank)
        grown = (n + sum(sides) for n, sides in zip(spatial, margins, strict=True))
        return (*grown, inputs[0][-1])

    def _margins(self) -> int | tuple[_Sides, ...]:
        return self.padding


class ZeroPadding1D(_ZeroPadding):
    """Pads (steps, channels) with zeros."""

    type: Literal["ZeroPadding1D"] = "ZeroPadding1D"
    padding: _Sides = 1

    rank = 1

    def _margins(self) -> tuple[_Sides, ...]:
        return (self.padding,)


class ZeroPadding2D(_ZeroPadding):
    """Pads (height, width, channels) with zeros."""

    type: Literal["ZeroPadding2D"] = "ZeroPadding2D"
    padding: _Margin | tuple[_Sides, _Sides] = 1

    rank = 2


class ZeroPadding3D(_ZeroPadding):
    """Pads (depth, height, width, channels) with zeros."""

    type: Literal["ZeroPadding3D"] = "ZeroPadding3D"
    padding: _Margin | tuple[_Sides, _Sides, _Sides] = 1

    rank = 3


class _UpSampling(_Reshaping):
    """Repeats each position `size` times."""

    rank: ClassVar[int]

    size: Sizes = 2

    def output_shape(self, *inputs: Shape) -> Shape:
        """(n, …, channels) → (n·size, …, channels)."""
        spatial = expect_spatial(self, inputs[0], self.rank)
        sizes = spread(self.size, self.rank)
        return (*(n * size for n, size in zip(spatial, sizes, strict=True)), inputs[0][-1])


class UpSampling1D(_UpSampling):
    """Repeats each step of (steps, channels) `size` times."""

    type: Literal["UpSampling1D"] = "UpSampling1D"
    size: Size = 2

    rank = 1


class UpSampling2D(_UpSampling):
    """Enlarges (height, width, channels) by `size`."""

    type: Literal["UpSampling2D"] = "UpSampling2D"
    size: Pair = 2
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"] = "nearest"

    rank = 2

    def keeps_numbers(self) -> bool:
        """Unless it interpolates."""
        return self.interpolation == "nearest"


class UpSampling3D(_UpSampling):
    """Enlarges (depth, height, width, channels) by repeating each position."""

    type: Literal["UpSampling3D"] = "UpSampling3D"
    size: Triple = 2

    rank = 3


def _each_side(margins: int | tuple[_Sides, ...], rank: int) -> tuple[tuple[int, ...], ...]:
    """The margins before and after, for each axis."""
    axes = (margins,) * rank if isinstance(margins, int) else margins
    return tuple(spread(sides, 2) for sides in axes)
