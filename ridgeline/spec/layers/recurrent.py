"""Recurrent layers: over (time, features), and convolutional ones over (time, …, channels)."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from ridgeline.spec.layers.base import (
    Activation,
    Governed,
    Initializer,
    MaskUse,
    Shape,
    ShapeError,
    Weight,
    expect_rank,
)
from ridgeline.spec.layers.kernel import KernelLayer
from ridgeline.spec.layers.window import (
    Padding,
    Pair,
    Single,
    Sizes,
    Triple,
    spread,
    window_output,
)
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import WeightPenalty
from ridgeline.spec.schema import PositiveInt, Rate

LONGEST_UNROLLED = 256
"""Most time steps to unroll; every step adds to the graph that TensorFlow traces."""


class Recurrent(KernelLayer):
    """A layer that reads a sequence step by step: hₜ from xₜ·kernel and hₜ₋₁·recurrent_kernel."""

    activation: Activation = "tanh"
    recurrent_initializer: Initializer = "orthogonal"
    recurrent_regularizer: WeightPenalty | None = None
    recurrent_constraint: AnyConstraint | None = None
    dropout: Rate = 0.0
    """Dropout rate of xₜ; the same units at every step (Gal & Ghahramani, 2016)."""
    recurrent_dropout: Rate = 0.0
    """Dropout rate of hₜ₋₁; the same units at every step."""
    return_sequences: bool = False
    """Whether to return the output of every step, not only of the last."""
    go_backwards: bool = False
    """Whether to read the sequence from its end."""

    regularizers: ClassVar[dict[str, Governed]] = {
        "recurrent_regularizer": Governed("recurrent_kernel", "weights"),
        **KernelLayer.regularizers,
    }
    constraints: ClassVar[dict[str, Governed]] = {
        "recurrent_constraint": Governed("recurrent_kernel", "weights"),
        **KernelLayer.constraints,
    }
    #: Number of gates, whose kernels are joined in one.
    gates: ClassVar[int] = 1

    def step_shape(self, sequence: Shape) -> Shape:
        """The output shape of one step."""
        raise NotImplementedError

    def output_shape(self, *inputs: Shape) -> Shape:
        """(time, …) → one step's output, or every step's with `return_sequences`."""
        step = self.step_shape(inputs[0])
        return (inputs[0][0], *step) if self.return_sequences else step

    def multiply_adds(self, *inputs: Shape) -> int:
        """Both kernels, at every position of every step."""
        kernels = sum(weight.size for weight in self.weights(*inputs) if weight.role != "bias")
        return inputs[0][0] * kernels * math.prod(self.step_shape(inputs[0])[:-1])

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """Masked steps leave the state unchanged."""
        del masked, inputs
        return "passed" if self.return_sequences else "used"

    def activations(self, *inputs: Shape) -> int:
        """Gates, state and output of every step."""
        return inputs[0][0] * (self.gates + 2) * math.prod(self.step_shape(inputs[0]))


class _Unrolled(Recurrent):
    """A recurrent layer over (time, features)."""

    units: PositiveInt
    unroll: bool = False
    """Whether to unroll the loop over steps: faster for few steps, but takes more memory."""

    def step_shape(self, sequence: Shape) -> Shape:
        """(time, features) → (units,)."""
        expect_rank(self, sequence, 2, "time, features")
        if self.unroll and sequence[0] > LONGEST_UNROLLED:
            raise ShapeError(
                f"{self.type_name()} with unroll expects at most {LONGEST_UNROLLED} time steps,"
                f" received {sequence[0]}; set unroll to false"
            )
        return (self.units,)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (features, gates·units), recurrent kernel (units, gates·units), bias."""
        width = self.gates * self.units
        kernels = (
            Weight("kernel", (inputs[0][-1], width)),
            Weight("recurrent_kernel", (self.units, width)),
        )
        return (*kernels, Weight("bias", self.bias_shape(width))) if self.use_bias else kernels

    def bias_shape(self, width: int) -> Shape:
        """The bias of all gates."""
        return (width,)


class SimpleRNN(_Unrolled):
    """hₜ = activation(xₜ·W + hₜ₋₁·U + b)."""

    type: Literal["SimpleRNN"] = "SimpleRNN"


class LSTM(_Unrolled):
    """Long short-term memory (Hochreiter & Schmidhuber, 1997)."""

    type: Literal["LSTM"] = "LSTM"
    recurrent_activation: Activation = "sigmoid"
    unit_forget_bias: bool = True
    """Whether to initialize the forget gate's bias to 1."""

    gates = 4


class GRU(_Unrolled):
    """Gated recurrent unit (Cho et al., 2014)."""

    type: Literal["GRU"] = "GRU"
    recurrent_activation: Activation = "sigmoid"
    reset_after: bool = True
    """Whether to apply the reset gate after the recurrent kernel, with a separate bias."""

    gates = 3

    def bias_shape(self, width: int) -> Shape:
        """One bias, or with `reset_after` one each for input and state."""
        return (2, width) if self.reset_after else (width,)


class _ConvLSTM(Recurrent):
    """An LSTM with convolutions in place of matrix products (Shi et al., 2015)."""

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    dilation_rate: Sizes = 1
    recurrent_activation: Activation = "sigmoid"
    unit_forget_bias: bool = True
    """Whether to initialize the forget gate's bias to 1."""

    gates = 4
    #: The names of the spatial axes.
    spatial: ClassVar[tuple[str, ...]]

    def step_shape(self, sequence: Shape) -> Shape:
        """(time, …, channels) → (…', filters)."""
        rank = len(self.spatial)
        expect_rank(self, sequence, rank + 2, ", ".join(("time", *self.spatial, "channels")))
        strides, dilation = spread(self.strides, rank), spread(self.dilation_rate, rank)
        if max(strides) > 1 and max(dilation) > 1:
            raise ShapeError(
                f"{self.type_name()} expects strides or dilation_rate above 1, received both; set"
                " one of them to 1"
            )
        spatial = window_output(
            self,
            sequence[1:-1],
            size=spread(self.kernel_size, rank),
            strides=strides,
            padding=self.padding,
            dilation=dilation,
        )
        return (*spatial, self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (…, channels, 4·filters), recurrent kernel (…, filters, 4·filters), bias."""
        window, width = spread(self.kernel_size, len(self.spatial)), self.gates * self.filters
        kernels = (
            Weight("kernel", (*window, inputs[0][-1], width)),
            Weight("recurrent_kernel", (*window, self.filters, width)),
        )
        return (*kernels, Weight("bias", (width,))) if self.use_bias else kernels

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """Rejected: it can only skip whole steps, and a mask here is also over positions."""
        del masked, inputs
        return "rejected"


class ConvLSTM1D(_ConvLSTM):
    """Convolutional LSTM over (time, steps, channels)."""

    type: Literal["ConvLSTM1D"] = "ConvLSTM1D"
    kernel_size: Single
    strides: Single = 1
    dilation_rate: Single = 1

    spatial = ("steps",)


class ConvLSTM2D(_ConvLSTM):
    """Convolutional LSTM over (time, height, width, channels)."""

    type: Literal["ConvLSTM2D"] = "ConvLSTM2D"
    kernel_size: Pair
    strides: Pair = 1
    dilation_rate: Pair = 1

    spatial = ("height", "width")


class ConvLSTM3D(_ConvLSTM):
    """Convolutional LSTM over (time, depth, height, width, channels)."""

    type: Literal["ConvLSTM3D"] = "ConvLSTM3D"
    kernel_size: Triple
    strides: Triple = 1
    dilation_rate: Triple = 1

    spatial = ("depth", "height", "width")
