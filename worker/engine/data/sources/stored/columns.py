"""Encoders of a table's columns, one class per encoding; some are fitted on the training rows."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ridgeline.api.features import words_of
from ridgeline.formats.cells import ARROW_TYPES
from ridgeline.planning.dataset.columns import category_keys
from ridgeline.spec.dataset.contents import Column, ColumnType
from ridgeline.spec.dataset.encodings import (
    Encoding,
    MultiHotEncoding,
    NumberEncoding,
    OneHotEncoding,
    OrdinalEncoding,
    SequenceEncoding,
    TextEncoding,
)
from worker.engine.data.sources.texts import Texts, multi_hot, pad

Numbers = npt.NDArray[Any]
MOST_COUNTED = 500_000
"""Limit of distinct words counted at once; beyond it the rarest so far are dropped."""


class Encoder(Protocol):
    """Encodes a column's cells as numbers."""

    def encode(self, cells: pa.Array, out: Numbers) -> None:
        """Write the encoded `cells` into `out` (cells, width), which holds zeros."""

    def described(self) -> Mapping[str, Any]:
        """Its fields of `ColumnFeatures`."""


@runtime_checkable
class Learner(Protocol):
    """Is fitted on a column's cells in the training rows, and makes the encoder."""

    def learn(self, cells: pa.Array) -> None:
        """Add some cells."""

    def encoder(self) -> Encoder:
        """The encoder, after the last cell."""


def encoder_or_learner(encoding: Encoding, column: Column) -> Encoder | Learner:
    """The encoder of the column, or a learner that must see the training rows first."""
    match encoding:
        case NumberEncoding(missing="mean") if column.missing:
            return _MeanLearner()
        case NumberEncoding(missing=missing):
            return NumberEncoder(0.0 if missing == "zero" and column.missing else None)
        case OneHotEncoding(categories=categories) | OrdinalEncoding(categories=categories):
            return CategoryEncoder(encoding.type, column.type, categories or ())
    return _WordLearner(encoding)


def places(cells: pa.Array, column_type: ColumnType, categories: tuple[str, ...]) -> Numbers:
    """Each cell's index among the categories; −1 for a missing or unknown value."""
    keys = pa.array(category_keys(column_type, categories), ARROW_TYPES[column_type])
    if column_type is ColumnType.NUMBER:
        cells = pc.add(cells, 0.0)  # minus zero is zero
    indices = pc.index_in(cells, value_set=keys, skip_nulls=True)
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False))


def floats(cells: pa.Array) -> pa.Array:
    """Numbers or booleans as float64; integers beyond 2^53 are rounded."""
    return pc.cast(cells, pa.float64(), safe=False)


@dataclass(frozen=True)
class NumberEncoder:
    """The number itself."""

    missing: float | None

    def encode(self, cells: pa.Array, out: Numbers) -> None:
        """Write the numbers; raises ValueError if one is missing without a replacement."""
        if cells.null_count and self.missing is None:
            raise ValueError("a value is missing that was present when stored")
        values = floats(cells)
        if self.missing is not None:
            values = pc.fill_null(values, self.missing)
        out[:, 0] = values.to_numpy(zero_copy_only=False)

    def described(self) -> Mapping[str, Any]:
        """The replacement of a missing number."""
        return {"missing": self.missing}


@dataclass(frozen=True)
class CategoryEncoder:
    """A 1 in the category's column, or its number."""

    way: str
    type: ColumnType
    categories: tuple[str, ...]

    def encode(self, cells: pa.Array, out: Numbers) -> None:
        """Write the ones or the numbers."""
        indices = places(cells, self.type, self.categories)
        if self.way == "ordinal":
            out[:, 0] = indices + 1
        else:
            known = np.flatnonzero(indices >= 0)
            out[known, indices[known]] = 1

    def described(self) -> Mapping[str, Any]:
        """The categories."""
        return {"categories": self.categories}


class WordEncoder:
    """Which words occur, or the words' numbers in order."""

    def __init__(self, encoding: TextEncoding, words: tuple[str, ...]) -> None:
        sequence = isinstance(encoding, SequenceEncoding)
        self._make = pad if sequence else multi_hot
        self._words = words
        self._unknown = 1 if sequence else 0  # 0 pads a sequence
        first = self._unknown + 1
        self._number = {word.encode(): first + index for index, word in enumerate(words)}

    def encode(self, cells: pa.Array, out: Numbers) -> None:
        """Write the ones or the numbers."""
        texts = numbered(cells.to_pylist(), self._number, self._unknown)
        out[:] = self._make(texts, 0, len(cells), out.shape[1])

    def described(self) -> Mapping[str, Any]:
        """The vocabulary and how it is numbered."""
        return {"words": self._words, "unknown": self._unknown, "first_word": self._unknown + 1}


class _MeanLearner:
    """Σx/n of the numbers present; 0 without any."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def learn(self, cells: pa.Array) -> None:
        values = floats(cells)
        self._sum += pc.sum(values).as_py() or 0.0
        self._count += len(values) - values.null_count

    def encoder(self) -> NumberEncoder:
        return NumberEncoder(self._sum / max(self._count, 1))


class _WordLearner:
    """The most frequent words."""

    def __init__(self, encoding: TextEncoding) -> None:
        self._encoding = encoding
        self._count = WordCount()

    def learn(self, cells: pa.Array) -> None:
        self._count.add(cells.to_pylist())

    def encoder(self) -> WordEncoder:
        reserved = 1 if isinstance(self._encoding, MultiHotEncoding) else 2
        return WordEncoder(
            self._encoding, self._count.most_frequent(self._encoding.num_words - reserved)
        )


@dataclass
class WordCount:
    """How often each word occurs."""

    counts: Counter[bytes] = field(default_factory=Counter)

    def add(self, texts: Iterable[str | None]) -> None:
        """Count the words of texts; a missing text has none."""
        self.counts.update(words_of("\n".join(filter(None, texts))))
        if len(self.counts) > MOST_COUNTED:
            self._forget()

    def most_frequent(self, count: int) -> tuple[str, ...]:
        """The most frequent words; ties in descending order, as in Keras's adapt()."""
        ranked = sorted(self.counts, key=lambda word: (self.counts[word], word), reverse=True)
        return tuple(word.decode() for word in ranked[:count])

    def _forget(self) -> None:
        """Drop the rarest words, keeping at most half."""
        dropped = 0
        while len(self.counts) > MOST_COUNTED // 2:
            dropped += 1
            self.counts = Counter({w: n for w, n in self.counts.items() if n > dropped})


def numbered(texts: Iterable[str | None], number: Mapping[bytes, int], unknown: int) -> Texts:
    """The words of the texts by their numbers, concatenated."""
    words_by_text = [words_of(text) if text else [] for text in texts]
    lengths = np.fromiter(map(len, words_by_text), np.int64, len(words_by_text))
    every = itertools.chain.from_iterable(words_by_text)
    numbers = map(number.get, every, itertools.repeat(unknown))
    words = np.fromiter(numbers, np.int32, int(lengths.sum()))
    return Texts(words, np.concatenate([[0], np.cumsum(lengths)]))
