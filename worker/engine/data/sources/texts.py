"""Texts as numbers of words: imdb, reuters."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ridgeline.spec.dataset import KerasReviews
from worker.engine.data.sources.cache import KerasCache
from worker.engine.data.sources.pickles import npz_array
from worker.engine.data.sources.rows import Chunk, RawRows, chunk_rows

START, UNKNOWN, INDEX_FROM = 1, 2, 3
"""What begins a text, what stands for a rare word, and by how much words are moved: Keras's."""
SEED = 113
"""Of the order in which load_data gives the rows."""
TEST_SHARE = 0.2
"""Of reuters, which has no test rows of its own in the file."""


class Texts(NamedTuple):
    """Concatenated texts: text i is `words[offsets[i] : offsets[i + 1]]`."""

    words: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]


def imdb(dataset: KerasReviews, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """Reviews, positive (1) or negative (0)."""
    path, random = cache.path("imdb.npz"), np.random.RandomState(SEED)
    # The training rows come first: one generator shuffles both.
    train, test = (
        _text_rows(dataset, *_shuffled(path, f"x_{part}", f"y_{part}", random))
        for part in ("train", "test")
    )
    return train, test


def reuters(dataset: KerasReviews, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """Newswires of 46 topics."""
    path, random = cache.path("reuters.npz"), np.random.RandomState(SEED)
    texts, labels = _shuffled(path, "x", "y", random)
    cut = int(len(texts) * (1 - TEST_SHARE))
    return (
        _text_rows(dataset, texts[:cut], labels[:cut]),
        _text_rows(dataset, texts[cut:], labels[cut:]),
    )


def _shuffled(
    path: Path, texts: str, labels: str, random: np.random.RandomState
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Two members of a file in the order in which load_data gives them."""
    x, y = npz_array(path, texts), npz_array(path, labels)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} texts have {len(y)} labels")
    order = np.arange(len(x))
    random.shuffle(order)
    return x[order], y[order]


def _text_rows(dataset: KerasReviews, texts: npt.NDArray[Any], labels: npt.NDArray[Any]) -> RawRows:
    """Rows that are encoded when they are read, a chunk at a time."""
    numbered = number_words(texts, dataset.num_words)
    sequence = dataset.encoding == "sequence"
    dtype = np.dtype(np.int32 if sequence else np.uint8)
    width = dataset.maxlen if sequence else dataset.num_words
    encode = pad if sequence else multi_hot
    step = chunk_rows(dtype.itemsize * width)

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(labels), step):
            yield start, encode(numbered, start, min(start + step, len(labels)), width)

    return RawRows(np.asarray(labels), (width,), dtype, chunks)


def number_words(texts: Sequence[Sequence[int]] | npt.NDArray[Any], num_words: int) -> Texts:
    """What load_data makes of the words' ranks: a start, every rank moved, rare words replaced."""
    lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts)) + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ranks = itertools.chain.from_iterable(
        itertools.chain((START - INDEX_FROM,), text) for text in texts
    )
    words = np.fromiter(ranks, np.int32, int(offsets[-1]))
    words += INDEX_FROM
    words[words >= num_words] = UNKNOWN
    return Texts(words, offsets)


def multi_hot(texts: Texts, first: int, last: int, width: int) -> npt.NDArray[np.uint8]:
    """Rows first..last: (last − first, width), 1 where the text has the word and else 0."""
    offsets = texts.offsets[first : last + 1]
    rows = np.repeat(np.arange(last - first), np.diff(offsets))
    encoded = np.zeros((last - first, width), np.uint8)
    encoded[rows, texts.words[offsets[0] : offsets[-1]]] = 1
    return encoded


def pad(texts: Texts, first: int, last: int, width: int) -> npt.NDArray[np.int32]:
    """Rows first..last: each text's last `width` words, padded with zeros on the left."""
    encoded = np.zeros((last - first, width), np.int32)
    for row, text in enumerate(range(first, last)):
        begin, end = texts.offsets[text], texts.offsets[text + 1]
        kept = texts.words[max(begin, end - width) : end]
        encoded[row, width - len(kept) :] = kept
    return encoded
