"""Poolings."""

from typing import Literal

from ridgeline.contract.layers.base import Layer, Shape, expect_rank
from ridgeline.contract.layers.window import Padding, Pair, pair, window_output


class _Pooling2D(Layer):
    """A window's maximum or mean, channel by channel."""

    pool_size: Pair = 2
    strides: Pair | None = None
    """By default the pool size."""
    padding: Padding = "valid"

    dropout_site = "pooling"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → (height', width', channels)."""
        expect_rank(self, inputs[0], 3, "height, width, channels")
        spatial = window_output(
            self,
            inputs[0][:2],
            size=pair(self.pool_size),
            strides=pair(self.strides or self.pool_size),
            padding=self.padding,
        )
        return (*spatial, inputs[0][2])


class MaxPooling2D(_Pooling2D):
    """The maximum of each window."""

    type: Literal["MaxPooling2D"] = "MaxPooling2D"


class AveragePooling2D(_Pooling2D):
    """The mean of each window."""

    type: Literal["AveragePooling2D"] = "AveragePooling2D"


class GlobalAveragePooling2D(Layer):
    """The mean of each channel over the whole picture."""

    type: Literal["GlobalAveragePooling2D"] = "GlobalAveragePooling2D"
    keepdims: bool = False

    dropout_site = "pooling"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → (channels,), or (1, 1, channels) with keepdims."""
        expect_rank(self, inputs[0], 3, "height, width, channels")
        channels = inputs[0][2]
        return (1, 1, channels) if self.keepdims else (channels,)
