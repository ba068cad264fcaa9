"""Passes of rows through the compiled epoch, and the measurements that they give.

Rows come at once from the device, or block by block from disk.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ridgeline.api.curves import EpochRow
from ridgeline.planning.memory import block_rows
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from worker.engine.data import Data, Part
from worker.engine.data.stream import blocks
from worker.engine.epoch import CompiledEpoch, Controls, Decode, Rows, Sums

Order = npt.NDArray[np.int32]


class Measured(NamedTuple):
    """Measurements of a pass, each a mean over its rows."""

    data_loss: float
    penalties: npt.NDArray[np.float32]
    """Shape (terms,); in training the mean over the steps, each weighted by its rows."""
    metrics: dict[str, float]


@dataclass(frozen=True)
class Placed:
    """A part of the data, placed for its passes."""

    part: Part
    on_device: Rows | None
    """None if the rows stream from disk."""
    block_rows: int
    """A multiple of the batch size, so that blocks end where batches do."""


def place(part: Part, *, batch_size: int) -> Placed:
    """Put the rows on the device, unless they stream."""
    row_bytes = max(1, int(np.prod(part.x.shape[1:])) * part.x.dtype.itemsize)
    on_device = None if part.streamed else Rows(tf.constant(part.x), tf.constant(part.y))
    return Placed(part, on_device, block_rows(row_bytes, batch_size=batch_size))


def row_spec(part: Part) -> Rows:
    """The TensorSpec of the rows of any part."""
    return Rows(*(tf.TensorSpec([None, *a.shape[1:]], a.dtype) for a in (part.x, part.y)))


def decoding(data: Data) -> Decode:
    """The function from stored rows to the network's input: float32, scaled."""
    if data.scaled:
        return lambda x: x
    if data.scaling.identity:
        return lambda x: tf.cast(x, tf.float32)
    mean = data.scaling.mean
    # Not a constant, which TensorFlow would replace by a factor of other digits than NumPy's.
    deviation = tf.Variable(np.sqrt(data.scaling.variance), trainable=False)
    return lambda x: (tf.cast(x, tf.float32) - mean) / deviation


def train_pass(epoch: CompiledEpoch, placed: Placed, order: Order, controls: Controls) -> Measured:
    """Train on the rows in the given order, measuring meanwhile."""

    def block(rows: Rows, within: Order, start: int) -> Sums:
        return epoch.train(rows, tf.constant(within), controls._replace(start=tf.constant(start)))

    if placed.on_device is None:
        return _streamed(placed, order, block)
    # In the blocks of rows that stream, so that masks and sums are the same to the bit.
    starts = range(0, len(order), placed.block_rows)
    ends = [order[start : start + placed.block_rows] for start in starts]
    sums = [block(placed.on_device, *each) for each in zip(ends, starts, strict=True)]
    return _means(sums, len(order))


def evaluate_pass(epoch: CompiledEpoch, placed: Placed, coefficients: tf.Tensor) -> Measured:
    """Measure the rows in inference mode with the current weights."""

    def block(rows: Rows, _: Order, start: int) -> Sums:
        return epoch.evaluate(rows, coefficients, tf.constant(start))

    count, most = placed.part.rows, placed.block_rows
    if placed.on_device is None:
        return _streamed(placed, np.arange(count, dtype=np.int32), block)
    if count <= most:
        return _means([epoch.evaluate(placed.on_device, coefficients, tf.constant(0))], count)
    x, y = placed.on_device
    sums = [
        epoch.evaluate(Rows(x[at : at + most], y[at : at + most]), coefficients, tf.constant(at))
        for at in range(0, count, most)
    ]
    return _means(sums, count)


def _streamed(placed: Placed, order: Order, block: Callable[[Rows, Order, int], Sums]) -> Measured:
    """Add up the blocks; reading their sums waits for the device."""
    sums, start = [], 0
    for x, y in blocks(placed.part, order, placed.block_rows):
        within = np.arange(len(y), dtype=np.int32)
        sums.append(block(Rows(tf.constant(x), tf.constant(y)), within, start))
        start += len(y)
    return _means(sums, len(order))


def _means(sums: list[Sums], rows: int) -> Measured:
    return Measured(
        data_loss=sum(float(each.data_loss) for each in sums) / rows,
        penalties=np.sum([each.penalties.numpy() for each in sums], axis=0) / rows,
        metrics={name: float(value) for name, value in sums[-1].metrics.items()},
    )


class Passes(NamedTuple):
    """The measurements of one epoch."""

    trained: Measured
    """In training mode, while the weights changed."""
    sample: Measured
    """A sample of the training rows in inference mode, with the weights at the epoch's end."""
    validated: Measured | None


def epoch_row(
    number: int,
    passes: Passes,
    terms: tuple[PenaltyTerm, ...],
    settings: Mapping[str, float],
    seconds: float,
) -> EpochRow:
    """One row of the curves; `settings` are what the epoch was trained with, by series."""
    values = _values(passes.trained) | _sampled(passes.sample)
    if passes.validated is not None:
        values |= {f"val_{name}": value for name, value in _values(passes.validated).items()}
        values["gap"] = values["val_data_loss"] - values["train_data_loss"]
    # Seven digits: what a float32 holds, so that 0.001 reads as 0.001.
    values |= {name: float(f"{value:.7g}") for name, value in settings.items()}
    by_term = {
        term.key: float(value) for term, value in zip(terms, passes.trained.penalties, strict=True)
    }
    finite_values, nonfinite = finite(values)
    penalty_by_layer, nonfinite_terms = finite(by_term)
    return EpochRow(
        epoch=number,
        values=finite_values,
        penalty_by_layer=penalty_by_layer,
        nonfinite=nonfinite + nonfinite_terms,
        seconds=seconds,
    )


def prefixed(prefix: str, measured: Measured) -> dict[str, float | None]:
    """The results of an evaluation, names prefixed; null if not finite."""
    return finite({prefix + name: value for name, value in _values(measured).items()})[0]


def finite(values: Mapping[str, float]) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """The values, null where not finite, and the names of those that were not."""
    nonfinite = tuple(name for name, value in values.items() if not math.isfinite(value))
    return {n: None if n in nonfinite else value for n, value in values.items()}, nonfinite


def _values(measured: Measured) -> dict[str, float]:
    """The losses, with loss = data_loss + penalty, and the metrics."""
    penalty = float(np.sum(measured.penalties))
    losses = {
        "loss": measured.data_loss + penalty,
        "data_loss": measured.data_loss,
        "penalty": penalty,
    }
    return losses | measured.metrics


def _sampled(measured: Measured) -> dict[str, float]:
    values = {"data_loss": measured.data_loss} | measured.metrics
    return {f"train_{name}": value for name, value in values.items()}
