"""Counts the words of texts, and numbers them."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ridgeline.api.words import words_of
from worker.engine.data.sources.texts import Texts

MOST_COUNTED = 500_000
"""Different words that are counted at once; beyond it those said least so far are forgotten."""


@dataclass
class WordCount:
    """How often each word is said."""

    counts: Counter[bytes] = field(default_factory=Counter)

    def add(self, texts: Iterable[str | None]) -> None:
        """Count the words of texts; a missing one has none."""
        self.counts.update(words_of("\n".join(filter(None, texts))))
        if len(self.counts) > MOST_COUNTED:
            self._forget()

    def most_frequent(self, count: int) -> tuple[str, ...]:
        """The words said most, among equals the one that sorts last first, as adapt() has them."""
        ranked = sorted(self.counts, key=lambda word: (self.counts[word], word), reverse=True)
        return tuple(word.decode() for word in ranked[:count])

    def _forget(self) -> None:
        """Keep the more frequent half at most."""
        least = 0
        while len(self.counts) > MOST_COUNTED // 2:
            least += 1
            self.counts = Counter({w: n for w, n in self.counts.items() if n > least})


def numbered(texts: Iterable[str | None], number: Mapping[bytes, int], unknown: int) -> Texts:
    """The texts' words by their numbers, one text behind the other."""
    said = [words_of(text) if text else [] for text in texts]
    lengths = np.fromiter(map(len, said), np.int64, len(said))
    every = itertools.chain.from_iterable(said)
    numbers = map(number.get, every, itertools.repeat(unknown))
    words = np.fromiter(numbers, np.int32, int(lengths.sum()))
    return Texts(words, np.concatenate([[0], np.cumsum(lengths)]))
