"""Depthwise and separable convolutions, which treat each channel separately."""

import math
from typing import ClassVar, Literal

from ridgeline.spec.layers.base import Activation, Governed, Initializer, Shape, Weight
from ridgeline.spec.layers.kernel import BiasLayer
from ridgeline.spec.layers.window import (
    Padding,
    Pair,
    Single,
    Sizes,
    expect_spatial,
    spread,
    window_output,
)
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import WeightPenalty
from ridgeline.spec.schema import PositiveInt


class _ChannelwiseConvolution(BiasLayer):
    """`depth_multiplier` filters per channel, each over that channel only."""

    rank: ClassVar[int]

    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    dilation_rate: Sizes = 1
    depth_multiplier: PositiveInt = 1
    activation: Activation = "linear"
    depthwise_initializer: Initializer = "glorot_uniform"
    depthwise_regularizer: WeightPenalty | None = None
    depthwise_constraint: AnyConstraint | None = None

    dropout_site = "conv"

    def activations(self, *inputs: Shape) -> int:
        """Its output, and the result of the depthwise filters.

        With strides and a dilation_rate, TensorFlow slides by 1 and then picks every stride-th
        position.
        """
        strides = self._per_axis(self.strides)
        if max(strides) > 1 and max(self._per_axis(self.dilation_rate)) > 1:
            strides = spread(1, self.rank)
        slid = self._slide(inputs[0], strides)
        return math.prod(self.output_shape(*inputs)) + math.prod(slid) * self._depth(inputs[0])

    def depthwise(self, name: str, shape: Shape) -> Weight:
        """The kernel (…, channels, depth_multiplier); a unit's inputs are one channel's window."""
        kernel = (*self._per_axis(self.kernel_size), shape[-1], self.depth_multiplier)
        return Weight(name, kernel, input_axes=tuple(range(self.rank)))

    def _slide(self, shape: Shape, strides: tuple[int, ...]) -> Shape:
        return window_output(
            self,
            expect_spatial(self, shape, self.rank),
            size=self._per_axis(self.kernel_size),
            strides=strides,
            padding=self.padding,
            dilation=self._per_axis(self.dilation_rate),
        )

    def _depth(self, shape: Shape) -> int:
        return shape[-1] * self.depth_multiplier

    def _per_axis(self, value: Sizes) -> tuple[int, ...]:
        return spread(value, self.rank)


class _DepthwiseConvolution(_ChannelwiseConvolution):
    """Convolves each channel with its own filters."""

    regularizers: ClassVar[dict[str, Governed]] = {
        "depthwise_regularizer": Governed("kernel", "weights"),
        **BiasLayer.regularizers,
    }
    constraints: ClassVar[dict[str, Governed]] = {
        "depthwise_constraint": Governed("kernel", "weights"),
        **BiasLayer.constraints,
    }

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (…′, channels·depth_multiplier) over the spatial axes …."""
        slid = self._slide(inputs[0], self._per_axis(self.strides))
        return (*slid, self._depth(inputs[0]))

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (…, channels, depth_multiplier) and bias (channels·depth_multiplier,)."""
        return (self.depthwise("kernel", inputs[0]), *self.bias_over(self._depth(inputs[0])))


class DepthwiseConv1D(_DepthwiseConvolution):
    """Depthwise 1-D convolution over (steps, channels)."""

    type: Literal["DepthwiseConv1D"] = "DepthwiseConv1D"
    kernel_size: Single
    strides: Single = 1
    dilation_rate: Single = 1

    rank = 1


class DepthwiseConv2D(_DepthwiseConvolution):
    """Depthwise 2-D convolution over (height, width, channels) (MobileNet, Howard et al., 2017)."""

    type: Literal["DepthwiseConv2D"] = "DepthwiseConv2D"
    kernel_size: Pair
    strides: Pair = 1
    dilation_rate: Pair = 1

    rank = 2


class _SeparableConvolution(_ChannelwiseConvolution):
    """A depthwise convolution, then one of size 1 across the channels (Chollet, 2017)."""

    filters: PositiveInt
    pointwise_initializer: Initializer = "glorot_uniform"
    pointwise_regularizer: WeightPenalty | None = None
    pointwise_constraint: AnyConstraint | None = None

    regularizers: ClassVar[dict[str, Governed]] = {
        "depthwise_regularizer": Governed("depthwise_kernel", "weights"),
        "pointwise_regularizer": Governed("pointwise_kernel", "weights"),
        **BiasLayer.regularizers,
    }
    constraints: ClassVar[dict[str, Governed]] = {
        "depthwise_constraint": Governed("depthwise_kernel", "weights"),
        "pointwise_constraint": Governed("pointwise_kernel", "weights"),
        **BiasLayer.constraints,
    }

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (…′, filters) over the spatial axes …."""
        return (*self._slide(inputs[0], self._per_axis(self.strides)), self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Both kernels, the second (1, …, channels·depth_multiplier, filters), and the bias."""
        pointwise = (*spread(1, self.rank), self._depth(inputs[0]), self.filters)
        return (
            self.depthwise("depthwise_kernel", inputs[0]),
            Weight("pointwise_kernel", pointwise),
            *self.bias_over(self.filters),
        )


class SeparableConv1D(_SeparableConvolution):
    """Separable 1-D convolution over (steps, channels)."""

    type: Literal["SeparableConv1D"] = "SeparableConv1D"
    kernel_size: Single
    strides: Single = 1
    dilation_rate: Single = 1

    rank = 1


class SeparableConv2D(_SeparableConvolution):
    """Separable 2-D convolution over (height, width, channels)."""

    type: Literal["SeparableConv2D"] = "SeparableConv2D"
    kernel_size: Pair
    strides: Pair = 1
    dilation_rate: Pair = 1

    rank = 2
