"""The arithmetic of sliding windows, shared by convolutions and poolings."""

from typing import Literal

from ridgeline.contract.layers.base import Layer, Shape, ShapeError, render
from ridgeline.contract.schema import PositiveInt

Padding = Literal["valid", "same"]
Pair = PositiveInt | tuple[PositiveInt, PositiveInt]
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
    Raises ShapeError where the window is larger than the input.
    """
    if padding == "same":
        return tuple(-(-n // s) for n, s in zip(spatial, strides, strict=True))
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    if any(n < span for n, span in zip(spatial, spans, strict=True)):
        raise ShapeError(
            f"{layer.type_name()} with a window of {render(tuple(spans))} does not fit into"
            f' {render(spatial)}; use a smaller window or padding "same"'
        )
    return tuple((n - span) // s + 1 for n, span, s in zip(spatial, spans, strides, strict=True))
