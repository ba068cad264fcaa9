"""EinsumDense, a Dense layer over any axes by an einsum equation."""

import math
import re
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, Field, field_validator, model_validator

from ridgeline.spec.layers.base import (
    Activation,
    Governed,
    Initializer,
    Layer,
    Shape,
    ShapeError,
    VectorInitializer,
    Weight,
    render,
)
from ridgeline.spec.layers.kernel import KernelLayer
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import ActivityPenalty, WeightPenalty
from ridgeline.spec.schema import PositiveInt

_EQUATION = re.compile(
    r"(?P<left>\.\.\.)?(?P<input>[A-Za-z]+)(?P<right>\.\.\.)?"
    r",(?P<kernel>[A-Za-z]+)"
    r"->(?P<left_again>\.\.\.)?(?P<output>[A-Za-z]+)(?P<right_again>\.\.\.)?"
)


class _Equation(NamedTuple):
    """The letters of input, kernel and output, without the batch's."""

    input: str
    kernel: str
    output: str
    elided_left: bool
    """Whether the axes without a letter come before those with one, else after them."""


class EinsumDense(Layer):
    """activation(einsum(equation, x, kernel) + bias): a Dense layer over any axes.

    `equation` is of the form "ab,bc->ac", "...b,bc->...c" or "ab...,bc->ac..."; the batch is the
    first letter, or the first axis of a left ellipsis. A letter repeated in one operand and a size
    without a letter are rejected, though Keras accepts them.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    type: Literal["EinsumDense"] = "EinsumDense"
    equation: Annotated[str, Field(max_length=60)]
    output_sizes: (
        PositiveInt
        | Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=8, fail_fast=True)]
    ) = Field(alias="output_shape")
    """Sizes of the output's letters, without the batch."""
    activation: Activation = "linear"
    bias_axes: Annotated[str, Field(pattern=r"^[A-Za-z]{1,8}$")] | None = None
    """Letters of the output along which the bias differs; null for no bias."""
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: VectorInitializer = "zeros"
    kernel_regularizer: WeightPenalty | None = None
    bias_regularizer: WeightPenalty | None = None
    activity_regularizer: ActivityPenalty | None = None
    kernel_constraint: AnyConstraint | None = None
    bias_constraint: AnyConstraint | None = None

    regularizers: ClassVar[dict[str, Governed]] = KernelLayer.regularizers
    constraints: ClassVar[dict[str, Governed]] = KernelLayer.constraints
    dropout_site = "dense"

    @field_validator("equation")
    @classmethod
    def _is_dense(cls, equation: str) -> str:
        _parse(equation)
        return equation

    @model_validator(mode="after")
    def _letters(self) -> "EinsumDense":
        output = _parse(self.equation).output
        if len(self._sizes()) != len(output):
            raise ValueError(
                f'expected output_shape to have a size for each letter of "{output}", the output'
                f" without the batch; received {len(self._sizes())} sizes"
            )
        if self.bias_axes is not None and not set(self.bias_axes) <= set(output):
            raise ValueError(f'expected bias_axes among "{output}", received "{self.bias_axes}"')
        return self

    def output_shape(self, *inputs: Shape) -> Shape:
        """The axes of the ellipsis, with `output_shape` after or before them."""
        equation, (shape,) = _parse(self.equation), inputs
        elided = len(shape) - len(equation.input)
        if elided < 0 or (elided > 0 and not self._elides()):
            raise ShapeError(
                f'EinsumDense with "{self.equation}" expects an input of'
                f" {'at least ' if self._elides() else ''}{len(equation.input)} axes, not counting"
                f" the batch; received {render(shape)}"
            )
        input_sizes, output_sizes = self._input_sizes(shape), self._output_sizes()
        for letter, size in input_sizes.items():
            if output_sizes.get(letter, size) != size:
                raise ShapeError(
                    f'EinsumDense with "{self.equation}" expects output_shape to repeat the size of'
                    f' "{letter}", {size} in {render(shape)}; received {output_sizes[letter]}'
                )
        rest = self._elided(shape)
        if equation.elided_left and rest != rest[::-1]:
            raise ShapeError(
                f'EinsumDense with "{self.equation}" expects letters for more axes of'
                f" {render(shape)}: Keras reverses the order of the axes in the ellipsis"
            )
        if self.kernel_initializer == "orthogonal" and len(equation.kernel) == 1:
            raise ShapeError(
                "EinsumDense expects a kernel with at least two axes for kernel_initializer"
                ' "orthogonal"; use another initializer'
            )
        return (*rest, *self._sizes()) if equation.elided_left else (*self._sizes(), *rest)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """A kernel with its letters' sizes; a bias from its first letter to the output's last."""
        equation, (shape,) = _parse(self.equation), inputs
        output_sizes = self._output_sizes()
        sizes = self._input_sizes(shape) | output_sizes
        summed = [axis for axis, letter in enumerate(equation.kernel) if letter not in output_sizes]
        kernel = tuple(sizes[letter] for letter in equation.kernel)
        weights = (Weight("kernel", kernel, input_axes=tuple(summed)),)
        if self.bias_axes is None:
            return weights
        first = min(equation.output.index(letter) for letter in self.bias_axes)
        bias = [
            output_sizes[letter] if letter in self.bias_axes else 1
            for letter in equation.output[first:]
        ]
        after = () if equation.elided_left else (1,) * len(self._elided(shape))
        return (*weights, Weight("bias", (*bias, *after)))

    def multiply_adds(self, *inputs: Shape) -> int:
        """Every combination of indices of all letters and of the axes without one."""
        sizes = self._input_sizes(inputs[0]) | self._output_sizes()
        return math.prod(sizes.values()) * math.prod(self._elided(inputs[0]))

    def _sizes(self) -> Shape:
        sizes = self.output_sizes
        return (sizes,) if isinstance(sizes, int) else sizes

    def _output_sizes(self) -> dict[str, int]:
        return dict(zip(_parse(self.equation).output, self._sizes(), strict=True))

    def _input_sizes(self, shape: Shape) -> dict[str, int]:
        equation = _parse(self.equation)
        named = shape[-len(equation.input) :] if equation.elided_left else shape
        return dict(zip(equation.input, named, strict=False))

    def _elides(self) -> bool:
        return "..." in self.equation

    def _elided(self, shape: Shape) -> Shape:
        equation = _parse(self.equation)
        named = len(equation.input)
        return shape[:-named] if equation.elided_left else shape[named:]


def _parse(equation: str) -> _Equation:
    """The letters of an equation. Raises ValueError if Keras cannot build a layer for it."""
    match = _EQUATION.fullmatch(equation)
    if match is None or (match["left"] and match["right"]):
        raise ValueError(
            'expected an equation like "ab,bc->ac", "...b,bc->...c" or "ab...,bc->ac..."'
        )
    sides = [match["left"], match["right"]]
    if sides != [match["left_again"], match["right_again"]]:
        raise ValueError("expected the output to have an ellipsis where the input has one")
    inputs, kernel, output = match["input"], match["kernel"], match["output"]
    if any(len(set(letters)) < len(letters) for letters in (inputs, kernel, output)):
        raise ValueError("expected each letter once in the input, in the kernel and in the output")
    if not set(output) <= set(inputs + kernel) or not set(kernel) <= set(inputs + output):
        raise ValueError(
            "expected every letter of the output in the input or the kernel, and every letter of"
            " the kernel in the input or the output"
        )
    if not match["left"]:
        batch, inputs, output = inputs[0], inputs[1:], _without_batch(inputs[0], output)
        if batch in kernel:
            raise ValueError(f'expected the kernel without "{batch}", the batch')
    if not inputs or not output:
        raise ValueError("expected input and output to have a letter besides the batch")
    return _Equation(inputs, kernel, output, elided_left=bool(match["left"]))


def _without_batch(batch: str, output: str) -> str:
    if output[0] != batch:
        raise ValueError(f'expected the output to begin with "{batch}", the batch, like the input')
    return output[1:]
