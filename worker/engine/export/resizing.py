"""Resizing as weighted sums of rows and columns, which every format holds."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats = npt.NDArray[np.float32]


def resize(  # noqa: PLR0913, PLR0917 - as in Keras
    images: tf.Tensor,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",  # noqa: ARG001 - Keras has no other
    fill_value: float = 0.0,
    data_format: str | None = None,  # noqa: ARG001 - Ridgeline's images have their channels last
) -> tf.Tensor:
    """`keras.ops.image.resize` of (…, height, width, channels) with known height and width.

    Every interpolation is linear and works along each axis on its own, and its weights are those
    that TensorFlow gives. ONNX's Resize rounds sizes and positions in another way, LiteRT knows two
    interpolations and no sizes that follow from the image's.
    """
    first = images.shape.rank - 3
    if crop_to_aspect_ratio or pad_to_aspect_ratio:
        boxes = _boxes(images.shape[first : first + 2], size, pad=pad_to_aspect_ratio)
        before = [(0, 0)] * first
        if pad_to_aspect_ratio:
            edges = [*before, *((box.start, box.start) for box in boxes), (0, 0)]
            images = tf.pad(images, edges, constant_values=fill_value)
        else:
            starts = [0] * first + [box.start for box in boxes] + [0]
            images = tf.slice(images, starts, [-1] * first + [box.size for box in boxes] + [-1])
    for axis, wanted in enumerate(size, start=first):
        weights = _weights(images.shape[axis], int(wanted), interpolation, antialias=antialias)
        images = _weighted(images, axis, weights)
    return images


class _Box(NamedTuple):
    """One axis of the box that has the proportions of the result."""

    start: int
    """What is cut off, or added, at each end."""
    size: int


def _boxes(shape: Any, size: tuple[int, int], *, pad: bool) -> list[_Box]:
    """The largest box within an image of `shape`, or with `pad` the least around it; as Keras."""
    boxes = []
    for length, other, wanted, other_wanted in zip(
        shape, shape[::-1], size, size[::-1], strict=True
    ):
        fitting = int(np.float32(other * wanted) / np.float32(other_wanted))
        box = max(length, fitting) if pad else max(min(length, fitting), 1)
        boxes.append(_Box(abs(length - box) // 2, box))
    return boxes


def _weights(size: int, wanted: int, interpolation: str, *, antialias: bool) -> Floats:
    """What each output (row) takes of each input (column), found by resizing unit vectors."""
    with tf.init_scope(), tf.device("/cpu:0"):
        units = tf.reshape(tf.eye(size), [size, size, 1, 1])
        resized = tf.image.resize(units, [wanted, 1], method=interpolation, antialias=antialias)
        weights: Floats = tf.transpose(resized[:, :, 0, 0]).numpy()
    return weights


def _weighted(images: tf.Tensor, axis: int, weights: Floats) -> tf.Tensor:
    """A sum of as many terms as any output has inputs, each input gathered by its number."""
    terms = max(1, int((weights != 0).sum(axis=1).max()))
    inputs = np.argsort(weights == 0, axis=1, kind="stable")[:, :terms]
    factors = np.take_along_axis(weights, inputs, axis=1)
    along = [-1 if number == axis else 1 for number in range(images.shape.rank)]
    total = None
    for index, factor in zip(inputs.T, factors.T, strict=True):
        term = tf.gather(images, index, axis=axis)
        if np.any(factor != 1):
            term = term * tf.constant(factor.reshape(along), images.dtype)
        total = term if total is None else total + term
    return total
