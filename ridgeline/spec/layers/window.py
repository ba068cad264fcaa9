"""The arithmetic of sliding windows, shared by convolutions and poolings.

Channels are the last axis always: `data_format` is left out.
"""

from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.layers.base import Layer, Shape, ShapeError, expect_rank, render

Padding = Literal["valid", "same"]
Size = Annotated[int, Field(ge=1, le=256)]
"""A window's size, stride or dilation. Far larger ones crash TensorFlow or keep it busy."""
Single = Size | tuple[Size]
Pair = Size | tuple[Size, Size]
"""One number for both spatial axes, or one for each."""
Triple = Size | tuple[Size, Size, Size]
"""One number for all three spatial axes, or one for each."""
Sizes = Single | Pair | Triple

AXES = ("steps", "height, width", "depth, height, width")
"""Names of one, two and three spatial axes."""


def spread(value: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
    """One number for each of `rank` spatial axes."""
    return (value,) * rank if isinstance(value, int) else value


def expect_spatial(layer: Layer, shape: Shape, rank: int) -> Shape:
    """The spatial axes of `shape`; ShapeError unless it has `rank` of them, and channels."""
    expect_rank(layer, shape, rank + 1, f"{AXES[rank - 1]}, channels")
    return shape[:-1]


def window_output(
    layer: Layer,
    spatial: Shape,
    *,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding | Literal["causal"],
    dilation: tuple[int, ...] | None = None,
) -> Shape:
    """Output sizes of a window sliding over `spatial`.

    `same` and `causal`: ⌈n / stride⌉; `valid`: ⌊(n − dilation·(size − 1) − 1) / stride⌋ + 1.
    Raises ShapeError where the window is larger than the input, or, dilated and padded, so large
    that it reaches beyond the input from everywhere.
    """
    spans = window_spans(size, dilation or spread(1, len(size)))
    if padding != "valid":
        if dilation and max(dilation) > 1:
            expect_reach(layer, spatial, spans)
        return tuple(-(-n // s) for n, s in zip(spatial, strides, strict=True))
    if any(n < span for n, span in zip(spatial, spans, strict=True)):
        raise ShapeError(
            f"{layer.type_name()} with a window of {render(spans)} does not fit into"
            f' {render(spatial)}; use a smaller window or padding "same"'
        )
    return tuple((n - span) // s + 1 for n, span, s in zip(spatial, spans, strides, strict=True))


def window_spans(size: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """How far dilated windows reach: dilation·(size − 1) + 1."""
    return tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))


def expect_reach(layer: Layer, spatial: Shape, spans: tuple[int, ...]) -> None:
    """Raise ShapeError where a dilated window lies beyond the input on both sides.

    TensorFlow pads the input to a dilated window's span, however far that reaches.
    """
    if any(span > 2 * n - 1 for n, span in zip(spatial, spans, strict=True)):
        raise ShapeError(
            f"{layer.type_name()} with a dilated window of {render(spans)} reaches beyond"
            f" {render(spatial)} on both sides; use a smaller dilation_rate"
        )
