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
    """Filters that slide over the spatial axes, across all channels of their group."""

    rank: ClassVar[int]

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding | Literal["causal"] = "valid"
    dilation_rate: Sizes = 1
    groups: PositiveInt = 1
    """Number of independent groups that channels and filters are divided into (Krizhevsky et al.,
    2012). With more than 1, TensorFlow compiles the layer with XLA, since it cannot train it on a
    CPU otherwise."""
    activation: Activation = "linear"

    dropout_site = "conv"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (…′, filters) over the spatial axes …."""
        spatial = expect_spatial(self, inputs[0], self.rank)
        strides, dilation = self._per_axis(self.strides), self._per_axis(self.dilation_rate)
        if max(strides) > 1 and max(dilation) > 1:
            raise ShapeError(
                f"{self.type_name()} expects strides or dilation_rate above 1, received both; set"
                " one of them to 1"
            )
        if inputs[0][-1] % self.groups or self.filters % self.groups:
            raise ShapeError(
                f"{self.type_name()} with {self.groups} groups expects channels and filters"
                f" divisible by {self.groups}, received {inputs[0][-1]} and {self.filters}"
            )
        slid = window_output(
            self,
            spatial,
            size=self._per_axis(self.kernel_size),
            strides=strides,
            padding=self.padding,
            dilation=dilation,
        )
        return (*slid, self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (…, channels / groups, filters) and bias (filters,)."""
        channels = inputs[0][-1] // self.groups
        return self.kernel_and_bias((*self._per_axis(self.kernel_size), channels, self.filters))

    def _per_axis(self, value: Sizes) -> tuple[int, ...]:
        return spread(value, self.rank)


class Conv1D(_Convolution):
    """1-D convolution over (steps, channels)."""

    type: Literal["Conv1D"] = "Conv1D"
    kernel_size: Single
    strides: Single = 1
    padding: Padding | Literal["causal"] = "valid"
    """`causal` pads at the start only, so no output depends on a later step (WaveNet, van den Oord
    et al., 2016)."""
    dilation_rate: Single = 1

    rank = 1

    def activations(self, *inputs: Shape) -> int:
        """Its output; with `causal` also the padded input."""
        outputs = math.prod(self.output_shape(*inputs))
        if self.padding != "causal":
            return outputs
        (span,) = window_spans(self._per_axis(self.kernel_size), self._per_axis(self.dilation_rate))
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
