"""Convolutions."""

from typing import ClassVar, Literal

from ridgeline.contract.layers.base import (
    Activation,
    Initializer,
    Layer,
    PolicyPart,
    Shape,
    ShapeError,
    Weight,
    expect_rank,
)
from ridgeline.contract.layers.window import Padding, Pair, pair, window_output
from ridgeline.contract.regularization import WeightPenalty
from ridgeline.contract.schema import PositiveInt


class Conv2D(Layer):
    """2-D convolution over (height, width, channels)."""

    type: Literal["Conv2D"] = "Conv2D"
    filters: PositiveInt
    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    dilation_rate: Pair = 1
    activation: Activation = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: WeightPenalty | None = None
    bias_regularizer: WeightPenalty | None = None

    regularizers: ClassVar[dict[str, tuple[str, PolicyPart]]] = {
        "kernel_regularizer": ("kernel", "weights"),
        "bias_regularizer": ("bias", "bias"),
    }
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
        kernel = Weight("kernel", (*pair(self.kernel_size), inputs[0][-1], self.filters))
        return (kernel, Weight("bias", (self.filters,))) if self.use_bias else (kernel,)
