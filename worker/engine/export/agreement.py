"""Whether an exported file predicts what the model does."""

from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from worker.engine.context import Reader, Rows
from worker.engine.export.frozen import in_float32, in_precision
from worker.engine.export.probes import Probes

TOLERANCE = 1e-4
"""How far a prediction may be from Keras's; above 1, relative to the largest of its row.

One for all formats, since none is quantized.
"""
BATCHES = (1, 7)
"""The sizes of batches besides all rows at once."""
_ROUNDING = 8
"""How many times Keras's own rounding error a file may be off, where that is above TOLERANCE."""
_HUGE = 1e30
"""From here on, a sum may overflow in one order and not in another."""


class Disagrees(Exception):
    """A file predicts something else; the message says where, and what."""


class Agreement:
    """Compares files with `model` on `probes`, on the CPU."""

    def __init__(self, model: keras.Model, probes: Probes) -> None:
        self._model = model
        self._probes = probes

    def start(self, reader: Reader, folder: Path) -> None:
        """Have `reader` load its file in `folder` and predict, while this process goes on."""
        rows, wild = self._probes.rows, self._probes.wild
        batches = [*(rows[:size] for size in BATCHES), rows]
        reader.start(folder, [*batches, wild] if len(wild) else batches)

    def check(self, reader: Reader, *, in_single: bool) -> None:
        """Compare what `reader` predicted; `in_single` compares with Keras in single precision.

        Raises Unreadable, or Disagrees with the first row that differs.
        """
        batches = reader.predictions()
        expected, wild = self._single if in_single else self._expected
        for predicted in batches[: len(BATCHES) + 1]:
            self._compare(predicted, expected[: len(predicted)])
        for predicted in batches[len(BATCHES) + 1 :]:
            self._compare_wild(predicted, wild)

    def _compare(self, predicted: Rows, expected: Rows) -> None:
        _same_shape(predicted, expected)
        comparable = _comparable(expected)
        with np.errstate(invalid="ignore"):
            error = np.where(comparable, np.abs(predicted - expected), 0)
        error = _by_row(np.where(np.isfinite(error), error, np.inf)) / _scale(expected)
        (wrong,) = np.nonzero(error > TOLERANCE)
        if len(wrong):
            wrong = wrong[error[wrong] > _ROUNDING * self._rounding[wrong]]
        for row in wrong[:1]:
            theirs, ours = predicted[row].ravel(), expected[row].ravel()
            with np.errstate(invalid="ignore"):
                difference = np.where(comparable[row].ravel(), np.abs(theirs - ours), 0)
            place = int(np.argmax(np.where(np.isfinite(difference), difference, np.inf)))
            raise Disagrees(
                f"for {self._probes.names[row]}, in a batch of {len(predicted)}, it predicts"
                f" {theirs[place]:g} where model.keras predicts {ours[place]:g}"
            )

    def _compare_wild(self, predicted: Rows, expected: Rows) -> None:
        _same_shape(predicted, expected)
        wrong = np.argwhere(_comparable(expected) & ~np.isfinite(predicted))
        for index in wrong[:1]:
            place = tuple(index)
            raise Disagrees(
                f"for a row of {self._probes.wild[place[0]].flat[0]:g}, it predicts"
                f" {predicted[place]:g} where model.keras predicts {expected[place]:g}"
            )

    @cached_property
    def _expected(self) -> tuple[Rows, Rows]:
        return self._predict(self._model)

    @cached_property
    def _single(self) -> tuple[Rows, Rows]:
        model = in_float32(self._model)
        return self._expected if model is self._model else self._predict(model)

    def _predict(self, model: keras.Model) -> tuple[Rows, Rows]:
        with tf.device("/cpu:0"):
            rows, wild = (
                np.asarray(model(rows, training=False), np.float32) if len(rows) else rows
                for rows in (self._probes.rows, self._probes.wild)
            )
        return rows, wild

    @cached_property
    def _rounding(self) -> npt.NDArray[Any]:
        """How far Keras is from a computation in double precision, for each row, relative."""
        exact = in_precision(self._model, "float64")
        expected, _ = self._expected
        with tf.device("/cpu:0"):
            error = np.abs(np.asarray(exact(self._probes.rows, training=False)) - expected)
        return _by_row(np.where(np.isfinite(error), error, 0)) / _scale(expected)


def _same_shape(predicted: Rows, expected: Rows) -> None:
    if predicted.shape != expected.shape:
        raise Disagrees(
            f"it predicts an array of shape {predicted.shape} where model.keras predicts one of"
            f" {expected.shape}"
        )


def _comparable(expected: Rows) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(expected) & (np.abs(expected) < _HUGE))


def _by_row(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The greatest of each row."""
    greatest: npt.NDArray[Any] = values.reshape(len(values), -1).max(axis=1)
    return greatest


def _scale(expected: Rows) -> npt.NDArray[Any]:
    return np.maximum(1, _by_row(np.where(_comparable(expected), np.abs(expected), 0)))
