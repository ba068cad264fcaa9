"""The arithmetic of sliding windows, shared by convolutions and pooling.

Channels are always the last axis, so there is no `data_format`.
"""

from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.layers.base import Layer, Shape, ShapeError, expect_rank, render

Padding = Literal["valid", "same"]
Size = Annotated[int, Field(ge=1, le=256)]
"""A window's size, stride or dilation. Much larger ones crash TensorFlow or make it very slow."""
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
    """The spatial axes of `shape`. Raises ShapeError unless it has `rank` of them, and channels."""
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
    Raises ShapeError if an unpadded window is larger than the input, or a padded, dilated window
    extends beyond the input on both sides.
    """
    spans = window_spans(size, dilation or spread(1, len(size)))
    if padding != "valid":
        if dilation and max(dilation) > 1:
            expect_reach(layer, spatial, spans)
        return tuple(-(-n // s) for n, s in zip(spatial, strides, strict=True))
    if any(n < span for n, span in zip(spatial, spans, strict=True)):
        raise ShapeError(
            f"{layer.type_name()} has a window of {render(spans)}, larger than its input"
            f' {render(spatial)}; use a smaller window or padding "same"'
        )
    return tuple((n - span) // s + 1 for n, span, s in zip(spatial, spans, strides, strict=True))


def window_spans(size: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """The spans of dilated windows: dilation·(size − 1) + 1."""
    return tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))


def expect_reach(layer: Layer, spatial: Shape, spans: tuple[int, ...]) -> None:
    """Raise ShapeError if a dilated window extends beyond the input on both sides.

    TensorFlow pads the input to a dilated window's span, however large.
    """
    if any(span > 2 * n - 1 for n, span in zip(spatial, spans, strict=True)):
        raise ShapeError(
            f"{layer.type_name()} has a dilated window of {render(spans)}, which extends beyond"
            f" {render(spatial)} on both sides; use a smaller dilation_rate"
        )
