"""Transposed convolutions, which enlarge their input."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ridgeline.spec.layers.base import Activation, Shape, ShapeError, Weight, render
from ridgeline.spec.layers.kernel import KernelLayer
from ridgeline.spec.layers.window import (
    Padding,
    Pair,
    Single,
    Sizes,
    Triple,
    expect_reach,
    expect_spatial,
    spread,
    window_spans,
)
from ridgeline.spec.schema import PositiveInt

_Extra = Annotated[int, Field(ge=0, le=255)]
_Extras = _Extra | tuple[_Extra, ...]


class _TransposedConvolution(KernelLayer):
    """The gradient of a convolution as a layer (Zeiler et al., 2010)."""

    rank: ClassVar[int]

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    output_padding: _Extras | None = None
    """Added to the output's sizes; must be below the strides. By default chosen by Keras."""
    dilation_rate: Sizes = 1
    activation: Activation = "linear"

    dropout_site = "conv"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, channels) → (…′, filters), with k = dilation·(kernel size − 1) + 1 for each axis.

        `valid`: (n − 1)·stride + k + output_padding; without output_padding (n − 1)·stride +
        max(k, stride). `same`: (n − 1)·stride + k mod 2 + output_padding; without it n·stride.
        """
        spatial = expect_spatial(self, inputs[0], self.rank)
        strides, dilation = self._per_axis(self.strides), self._per_axis(self.dilation_rate)
        if max(strides) > 1 and max(dilation) > 1:
            raise ShapeError(
                f"{self.type_name()} expects strides or dilation_rate above 1, received both; set"
                " one of them to 1"
            )
        spans = window_spans(self._per_axis(self.kernel_size), dilation)
        extras = self._extras(strides, spans)
        if self.padding == "valid":
            grown = [
                (n - 1) * s + (max(k, s) if extra is None else k + extra)
                for n, s, k, extra in zip(spatial, strides, spans, extras, strict=True)
            ]
        else:
            grown = [
                n * s if extra is None else (n - 1) * s + k % 2 + extra
                for n, s, k, extra in zip(spatial, strides, spans, extras, strict=True)
            ]
            if max(dilation) > 1:
                expect_reach(self, tuple(grown), spans)
        return (*grown, self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (…, filters, channels) and bias (filters,)."""
        kernel = (*self._per_axis(self.kernel_size), self.filters, inputs[0][-1])
        seen = (*range(self.rank), self.rank + 1)
        return (Weight("kernel", kernel, input_axes=seen), *self.bias_over(self.filters))

    def multiply_adds(self, *inputs: Shape) -> int:
        """The kernel's size for each position of the input."""
        kernel = self.weights(*inputs)[0]
        return math.prod(inputs[0][:-1]) * kernel.size

    def _extras(self, strides: tuple[int, ...], spans: tuple[int, ...]) -> tuple[int | None, ...]:
        if self.output_padding is None:
            return (None,) * self.rank
        extras = spread(self.output_padding, self.rank)
        if any(extra >= stride for extra, stride in zip(extras, strides, strict=True)):
            raise ShapeError(
                f"{self.type_name()} expects output_padding below strides, received"
                f" {render(extras)} and {render(strides)}"
            )
        # A convolution of this output would have one position less; TensorFlow rejects it.
        even = any(not (span % 2 or extra) for span, extra in zip(spans, extras, strict=True))
        if self.padding == "same" and even:
            raise ShapeError(
                f'{self.type_name()} with padding "same" and a window of {render(spans)} expects'
                f" output_padding of at least 1 along axes where the window is even, received"
                f" {render(extras)}"
            )
        return extras

    def _per_axis(self, value: Sizes) -> tuple[int, ...]:
        return spread(value, self.rank)


class Conv1DTranspose(_TransposedConvolution):
    """Transposed 1-D convolution over (steps, channels)."""

    type: Literal["Conv1DTranspose"] = "Conv1DTranspose"
    kernel_size: Single
    strides: Single = 1
    output_padding: _Extra | tuple[_Extra] | None = None
    dilation_rate: Single = 1

    rank = 1


class Conv2DTranspose(_TransposedConvolution):
    """Transposed 2-D convolution over (height, width, channels)."""

    type: Literal["Conv2DTranspose"] = "Conv2DTranspose"
    kernel_size: Pair
    strides: Pair = 1
    output_padding: _Extra | tuple[_Extra, _Extra] | None = None
    dilation_rate: Pair = 1

    rank = 2


class Conv3DTranspose(_TransposedConvolution):
    """Transposed 3-D convolution over (depth, height, width, channels)."""

    type: Literal["Conv3DTranspose"] = "Conv3DTranspose"
    kernel_size: Triple
    strides: Triple = 1
    output_padding: _Extra | tuple[_Extra, _Extra, _Extra] | None = None
    dilation_rate: Triple = 1

    rank = 3

    def output_shape(self, *inputs: Shape) -> Shape:
        """Same as for the other transposed convolutions.

        Raises ShapeError for dilations that differ along height and width: TensorFlow's gradient
        checks the width against the height's dilation.
        """
        _, height, width = spread(self.dilation_rate, self.rank)
        if self.padding == "valid" and height != width:
            raise ShapeError(
                'Conv3DTranspose with padding "valid" expects the same dilation_rate along height'
                f" and width, received {height} and {width}; TensorFlow cannot train others"
            )
        return super().output_shape(*inputs)
