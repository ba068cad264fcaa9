"""Brings rows through the compiled epoch: at once from the device, or block by block from disk."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ridgeline.planning.graph import block_rows
from worker.engine.data import Data, Part
from worker.engine.data.stream import blocks
from worker.engine.epoch import CompiledEpoch, Controls, Decode, Rows, Sums

Order = npt.NDArray[np.int32]


class Measured(NamedTuple):
    """What a pass measured; each a mean over its rows."""

    data_loss: float
    penalties: npt.NDArray[np.float32]
    """Shape (terms,); in training the mean over the steps, each weighted by its rows."""
    metrics: dict[str, float]


@dataclass(frozen=True)
class Placed:
    """A part of the data where its passes find it."""

    part: Part
    on_device: Rows | None
    """None where the rows stream from disk."""
    block_rows: int
    """A multiple of the batch size, so that blocks end where batches do."""


def place(part: Part, *, batch_size: int) -> Placed:
    """Put the rows on the device, unless they are to stream."""
    row_bytes = max(1, int(np.prod(part.x.shape[1:])) * part.x.dtype.itemsize)
    on_device = None if part.streamed else Rows(tf.constant(part.x), tf.constant(part.y))
    return Placed(part, on_device, block_rows(row_bytes, batch_size=batch_size))


def row_spec(part: Part) -> Rows:
    """What the rows of any part look like to TensorFlow."""
    return Rows(*(tf.TensorSpec([None, *a.shape[1:]], a.dtype) for a in (part.x, part.y)))


def decoding(data: Data) -> Decode:
    """What makes the network's input of rows as they are stored: float32, scaled."""
    if data.scaled:
        return lambda x: x
    if data.scaling.identity:
        return lambda x: tf.cast(x, tf.float32)
    mean, deviation = data.scaling.mean, np.sqrt(data.scaling.variance)
    return lambda x: (tf.cast(x, tf.float32) - mean) / deviation


def train_pass(epoch: CompiledEpoch, placed: Placed, order: Order, controls: Controls) -> Measured:
    """Train on the rows in the given order, and measure them on the way."""

    def block(rows: Rows, count: int, start: int) -> Sums:
        within = tf.constant(order) if placed.on_device else tf.range(count)
        return epoch.train(rows, within, controls._replace(start=tf.constant(start)))

    return _measured(placed, order, block)


def evaluate_pass(epoch: CompiledEpoch, placed: Placed, coefficients: tf.Tensor) -> Measured:
    """Measure the rows in inference mode, at the present weights."""

    def block(rows: Rows, count: int, start: int) -> Sums:
        del count
        return epoch.evaluate(rows, coefficients, tf.constant(start))

    return _measured(placed, np.arange(placed.part.rows, dtype=np.int32), block)


def _measured(placed: Placed, order: Order, block: Callable[[Rows, int, int], Sums]) -> Measured:
    """Add up the blocks; reading their sums waits for the device."""
    if placed.on_device:
        return _means([block(placed.on_device, len(order), 0)], len(order))
    sums, start = [], 0
    for x, y in blocks(placed.part, order, placed.block_rows):
        sums.append(block(Rows(tf.constant(x), tf.constant(y)), len(y), start))
        start += len(y)
    return _means(sums, len(order))


def _means(sums: list[Sums], rows: int) -> Measured:
    return Measured(
        data_loss=sum(float(each.data_loss) for each in sums) / rows,
        penalties=np.sum([each.penalties.numpy() for each in sums], axis=0) / rows,
        metrics={name: float(value) for name, value in sums[-1].metrics.items()},
    )
