"""Convolutions."""

import math
from typing import ClassVar, Literal

from ridgeline.spec.layers.base import Activation, Shape, ShapeError, Weight
from ridgeline.spec.layers.kernel import KernelLayer
from ridgeline.spec.layers.window import (
    Padding,
    Pair,
    Single,
    Sizes,
    Triple,
    expect_spatial,
    spread,
    window_output,
    window_spans,
)
from ridgeline.spec.schema import PositiveInt


class _Convolution(KernelLayer):
    """Filters that slide over the spatial axes, each over all channels of its group."""

    rank: ClassVar[int]

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding | Literal["causal"] = "valid"
    dilation_rate: Sizes = 1
    groups: PositiveInt = 1
    """Channels and filters are divided into so many groups that do not see each other (Krizhevsky
    et al., 2012). TensorFlow compiles these with XLA, for it cannot train them on a CPU
    otherwise."""
    activation: Activation = "linear"

    dropout_site = "conv"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (…′, filters) over the spatial axes …."""
        spatial = expect_spatial(self, inputs[0], self.rank)
        strides, dilation = self._each(self.strides), self._each(self.dilation_rate)
        if max(strides) > 1 and max(dilation) > 1:
            raise ShapeError(f"{self.type_name()} takes strides > 1 or dilation_rate > 1, not both")
        if inputs[0][-1] % self.groups or self.filters % self.groups:
            raise ShapeError(
                f"{self.type_name()} with {self.groups} groups expects channels and filters that"
                f" can be divided into them, received {inputs[0][-1]} and {self.filters}"
            )
        slid = window_output(
            self,
            spatial,
            size=self._each(self.kernel_size),
            strides=strides,
            padding=self.padding,
            dilation=dilation,
        )
        return (*slid, self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (…, channels / groups, filters) and bias (filters,)."""
        channels = inputs[0][-1] // self.groups
        return self.kernel_and_bias((*self._each(self.kernel_size), channels, self.filters))

    def _each(self, value: Sizes) -> tuple[int, ...]:
        return spread(value, self.rank)


class Conv1D(_Convolution):
    """1-D convolution over (steps, channels)."""

    type: Literal["Conv1D"] = "Conv1D"
    kernel_size: Single
    strides: Single = 1
    padding: Padding | Literal["causal"] = "valid"
    """`causal`: padded at the start only, so that no output sees a later step (WaveNet, van den
    Oord et al., 2016)."""
    dilation_rate: Single = 1

    rank = 1

    def activations(self, *inputs: Shape) -> int:
        """Its output, and behind `causal` the padded input."""
        outputs = math.prod(self.output_shape(*inputs))
        if self.padding != "causal":
            return outputs
        (span,) = window_spans(self._each(self.kernel_size), self._each(self.dilation_rate))
        steps, channels = inputs[0]
        return outputs + (steps + span - 1) * channels


class Conv2D(_Convolution):
    """2-D convolution over (height, width, channels)."""

    type: Literal["Conv2D"] = "Conv2D"
    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    dilation_rate: Pair = 1

    rank = 2


class Conv3D(_Convolution):
    """3-D convolution over (depth, height, width, channels)."""

    type: Literal["Conv3D"] = "Conv3D"
    kernel_size: Triple
    strides: Triple = 1
    padding: Padding = "valid"
    dilation_rate: Triple = 1

    rank = 3
