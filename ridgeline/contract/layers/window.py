"""The arithmetic of sliding windows, shared by convolutions and poolings."""

from typing import Annotated, Literal

from pydantic import Field

from ridgeline.contract.layers.base import Layer, Shape, ShapeError, render

Padding = Literal["valid", "same"]
Size = Annotated[int, Field(ge=1, le=256)]
"""A window's size, stride or dilation. Far larger ones crash TensorFlow or keep it busy."""
Pair = Size | tuple[Size, Size]
"""One number for both spatial axes, or one for each."""


def pair(value: Pair) -> tuple[int, int]:
    """Spell a Pair out."""
    return (value, value) if isinstance(value, int) else value


def window_output(
    layer: Layer,
    spatial: Shape,
    *,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...] = (1, 1),
) -> Shape:
    """Output sizes of a window sliding over `spatial`.

    `same`: ⌈n / stride⌉; `valid`: ⌊(n − dilation·(size − 1) − 1) / stride⌋ + 1.
    Raises ShapeError where the window is larger than the input, or, dilated with padding `same`,
    so large that it reaches beyond the input from everywhere.
    """
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    if padding == "same":
        # TensorFlow pads the input to a dilated window's span, however far that reaches.
        if max(dilation) > 1 and any(k > 2 * n - 1 for n, k in zip(spatial, spans, strict=True)):
            raise ShapeError(
                f"{layer.type_name()} with a dilated window of {render(tuple(spans))} reaches"
                f" beyond {render(spatial)} on both sides; use a smaller dilation_rate"
            )
        return tuple(-(-n // s) for n, s in zip(spatial, strides, strict=True))
    if any(n < span for n, span in zip(spatial, spans, strict=True)):
        raise ShapeError(
            f"{layer.type_name()} with a window of {render(tuple(spans))} does not fit into"
            f' {render(spatial)}; use a smaller window or padding "same"'
        )
    return tuple((n - span) // s + 1 for n, span, s in zip(spatial, spans, strides, strict=True))
