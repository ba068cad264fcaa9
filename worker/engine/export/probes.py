"""The rows on which every exported file has to predict what the model does."""

from typing import NamedTuple

import numpy as np

from worker.engine.context import Rows
from worker.engine.data import Data, Part

SPREAD = 16
"""How many rows are taken from all over the training rows."""
_SAMPLE = 1000
"""How many training rows the least and the greatest value of a column are taken from."""
WILD = 1e4
"""A value far outside most data, at which functions overflow."""


class Probes(NamedTuple):
    """Raw rows, as the saved model takes them."""

    rows: Rows
    """Of the data, and what can be made of them: zeros, padding, each column's extremes."""
    names: tuple[str, ...]
    """What each row is, for messages."""
    wild: Rows
    """Rows where rounding decides the prediction: it has to be finite, no more. Maybe none."""


def probe_rows(data: Data, *, tokens: bool) -> Probes:
    """The rows to compare on; with `tokens`, every number of a row has to be one of the data's."""
    parts = {"training": data.train, "validation": data.validation, "test": data.test}
    named = {
        f"the {place} {name} row": _raw(data, part, [number])[0]
        for place, number in (("first", 0), ("last", -1))
        for name, part in parts.items()
        if part.rows
    }
    sample = _raw(data, data.train, _spread(data.train.rows, _SAMPLE))
    first, last = sample[0], sample[-1]
    half = (len(first) + 1) // 2
    made = {
        "a row of zeros": np.zeros_like(first),
        "a row padded after its half": np.concatenate([first[:half], 0 * first[half:]]),
        "a row padded before its half": np.concatenate([0 * last[:half], last[half:]]),
        "the least values": sample.min(axis=0),
        "the greatest values": sample.max(axis=0),
    }
    some = _raw(data, data.train, _spread(data.train.rows, SPREAD))
    wild = [np.full_like(first, value) for value in (WILD, -WILD)]
    return Probes(
        rows=np.stack([*named.values(), *made.values(), *some]),
        names=(*named, *made, *("a training row" for _ in some)),
        wild=np.stack(wild)[: 0 if tokens else None],
    )


def _spread(rows: int, count: int) -> list[int]:
    numbers = np.linspace(0, rows - 1, min(rows, count)).astype(int)
    return [int(number) for number in numbers]


def _raw(data: Data, part: Part, numbers: list[int]) -> Rows:
    """Rows as they were before the scaling."""
    rows = np.asarray(part.x[np.array(numbers) % part.rows], np.float32)
    if data.scaled:
        rows = rows * np.sqrt(data.scaling.variance) + data.scaling.mean
    return np.asarray(rows, np.float32)
