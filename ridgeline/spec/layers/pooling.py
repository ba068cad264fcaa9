"""Pooling layers."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ridgeline.spec.layers.base import Layer, Shape, ShapeError, render
from ridgeline.spec.layers.window import (
    Padding,
    Pair,
    Single,
    Sizes,
    Triple,
    expect_spatial,
    spread,
    window_output,
)

_LONGEST_WINDOW = 256
_Count = Annotated[int, Field(ge=1, le=65_536)]
_Counts = _Count | tuple[_Count, ...]


class _Pooling(Layer):
    """The maximum or mean of sliding windows, channel by channel."""

    rank: ClassVar[int]

    pool_size: Sizes = 2
    strides: Sizes | None = None
    """By default the pool size."""
    padding: Padding = "valid"

    dropout_site = "pooling"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (…′, channels) over the spatial axes …."""
        slid = window_output(
            self,
            expect_spatial(self, inputs[0], self.rank),
            size=spread(self.pool_size, self.rank),
            strides=spread(self.strides or self.pool_size, self.rank),
            padding=self.padding,
        )
        return (*slid, inputs[0][-1])


class _Pooling1D(_Pooling):
    pool_size: Single = 2
    strides: Single | None = None

    rank = 1


class _Pooling2D(_Pooling):
    pool_size: Pair = 2
    strides: Pair | None = None

    rank = 2


class _Pooling3D(_Pooling):
    pool_size: Triple = 2
    strides: Triple | None = None

    rank = 3


class MaxPooling1D(_Pooling1D):
    """The maximum of each window over (steps, channels)."""

    type: Literal["MaxPooling1D"] = "MaxPooling1D"


class MaxPooling2D(_Pooling2D):
    """The maximum of each window over (height, width, channels)."""

    type: Literal["MaxPooling2D"] = "MaxPooling2D"


class MaxPooling3D(_Pooling3D):
    """The maximum of each window over (depth, height, width, channels)."""

    type: Literal["MaxPooling3D"] = "MaxPooling3D"


class AveragePooling1D(_Pooling1D):
    """The mean of each window over (steps, channels)."""

    type: Literal["AveragePooling1D"] = "AveragePooling1D"


class AveragePooling2D(_Pooling2D):
    """The mean of each window over (height, width, channels)."""

    type: Literal["AveragePooling2D"] = "AveragePooling2D"


class AveragePooling3D(_Pooling3D):
    """The mean of each window over (depth, height, width, channels)."""

    type: Literal["AveragePooling3D"] = "AveragePooling3D"


class _GlobalPooling(Layer):
    """The maximum or mean of each channel over all positions."""

    rank: ClassVar[int]

    keepdims: bool = False

    dropout_site = "pooling"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (channels,), or (1, …, channels) with keepdims."""
        expect_spatial(self, inputs[0], self.rank)
        channels = inputs[0][-1]
        return (*spread(1, self.rank), channels) if self.keepdims else (channels,)


class GlobalMaxPooling1D(_GlobalPooling):
    """The maximum of each channel over all steps."""

    type: Literal["GlobalMaxPooling1D"] = "GlobalMaxPooling1D"

    rank = 1


class GlobalMaxPooling2D(_GlobalPooling):
    """The maximum of each channel over the whole picture."""

    type: Literal["GlobalMaxPooling2D"] = "GlobalMaxPooling2D"

    rank = 2


class GlobalMaxPooling3D(_GlobalPooling):
    """The maximum of each channel over the whole volume."""

    type: Literal["GlobalMaxPooling3D"] = "GlobalMaxPooling3D"

    rank = 3


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel over all steps."""

    type: Literal["GlobalAveragePooling1D"] = "GlobalAveragePooling1D"

    rank = 1
    mask_use = "used"


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel over the whole picture."""

    type: Literal["GlobalAveragePooling2D"] = "GlobalAveragePooling2D"

    rank = 2


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of each channel over the whole volume."""

    type: Literal["GlobalAveragePooling3D"] = "GlobalAveragePooling3D"

    rank = 3


class _AdaptivePooling(Layer):
    """The maximum or mean of `output_size` windows, whatever the input's size.

    Window i of o over n positions is from ⌊i·n/o⌋ up to, but excluding, ⌈(i + 1)·n/o⌉.
    """

    rank: ClassVar[int]

    output_size: _Counts

    dropout_site = "pooling"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (*output_size, channels).

        Keras pools twice, with windows of ⌈n/o⌉ and ⌈n/o⌉ + 1, and selects from both. Raises
        ShapeError if the larger window does not fit, which TensorFlow rejects, or would be slow.
        """
        spatial = expect_spatial(self, inputs[0], self.rank)
        sizes = spread(self.output_size, self.rank)
        for n, size in zip(spatial, sizes, strict=True):
            window = -(-n // size) + 1
            if window > n or window > _LONGEST_WINDOW:
                raise ShapeError(
                    f"{self.type_name()} cannot reduce {n} positions of {render(spatial)} to"
                    f" {size}: it needs windows of {window}, expected at most"
                    f" {min(n, _LONGEST_WINDOW)}; use another output_size, or global pooling for 1"
                )
        return (*sizes, inputs[0][-1])

    def activations(self, *inputs: Shape) -> int:
        """The results of both poolings, joined and selected from, axis by axis."""
        return sum(math.prod(shape) for shape in self._stages(inputs[0]))

    def _stages(self, shape: Shape) -> Iterator[Shape]:
        for axis, size in enumerate(spread(self.output_size, self.rank)):
            n = shape[axis]
            both = 2 * (n - -(-n // size)) + 1
            yield (*shape[:axis], 2 * both, *shape[axis + 1 :])
            shape = (*shape[:axis], size, *shape[axis + 1 :])
            yield shape


class _AdaptivePooling1D(_AdaptivePooling):
    output_size: _Count | tuple[_Count]

    rank = 1


class _AdaptivePooling2D(_AdaptivePooling):
    output_size: _Count | tuple[_Count, _Count]

    rank = 2


class _AdaptivePooling3D(_AdaptivePooling):
    output_size: _Count | tuple[_Count, _Count, _Count]

    rank = 3


class AdaptiveMaxPooling1D(_AdaptivePooling1D):
    """The maximum of each of `output_size` windows over (steps, channels)."""

    type: Literal["AdaptiveMaxPooling1D"] = "AdaptiveMaxPooling1D"


class AdaptiveMaxPooling2D(_AdaptivePooling2D):
    """The maximum of each of `output_size` windows over (height, width, channels)."""

    type: Literal["AdaptiveMaxPooling2D"] = "AdaptiveMaxPooling2D"


class AdaptiveMaxPooling3D(_AdaptivePooling3D):
    """The maximum of each of `output_size` windows over (depth, height, width, channels)."""

    type: Literal["AdaptiveMaxPooling3D"] = "AdaptiveMaxPooling3D"


class AdaptiveAveragePooling1D(_AdaptivePooling1D):
    """The mean of each of `output_size` windows over (steps, channels)."""

    type: Literal["AdaptiveAveragePooling1D"] = "AdaptiveAveragePooling1D"


class AdaptiveAveragePooling2D(_AdaptivePooling2D):
    """The mean of each of `output_size` windows over (height, width, channels)."""

    type: Literal["AdaptiveAveragePooling2D"] = "AdaptiveAveragePooling2D"


class AdaptiveAveragePooling3D(_AdaptivePooling3D):
    """The mean of each of `output_size` windows over (depth, height, width, channels)."""

    type: Literal["AdaptiveAveragePooling3D"] = "AdaptiveAveragePooling3D"
