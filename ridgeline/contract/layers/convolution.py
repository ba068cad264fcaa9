"""Convolutions."""

from typing import Literal

from ridgeline.contract.layers.base import (
    Activation,
    Shape,
    ShapeError,
    Weight,
    expect_rank,
)
from ridgeline.contract.layers.kernel import KernelLayer
from ridgeline.contract.layers.window import Padding, Pair, pair, window_output
from ridgeline.contract.schema import PositiveInt


class Conv2D(KernelLayer):
    """2-D convolution over (height, width, channels)."""

    type: Literal["Conv2D"] = "Conv2D"
    filters: PositiveInt
    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    dilation_rate: Pair = 1
    activation: Activation = "linear"

    dropout_site = "conv"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(height, width, channels) → (height', width', filters)."""
        expect_rank(self, inputs[0], 3, "height, width, channels")
        if max(pair(self.strides)) > 1 and max(pair(self.dilation_rate)) > 1:
            raise ShapeError("Conv2D takes strides > 1 or dilation_rate > 1, not both")
        spatial = window_output(
            self,
            inputs[0][:2],
            size=pair(self.kernel_size),
            strides=pair(self.strides),
            padding=self.padding,
            dilation=pair(self.dilation_rate),
        )
        return (*spatial, self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (height, width, channels, filters) and bias (filters,)."""
        return self.kernel_and_bias((*pair(self.kernel_size), inputs[0][-1], self.filters))
