"""Texts as words, words as numbers: as keras.layers.TextVectorization does by default.

But for one thing: a text is put in lower case by Unicode's rules, where Keras's layer leaves
letters beyond ASCII as they are.
"""

import string
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from worker.engine.data.sources.texts import Texts

MOST_COUNTED = 2_000_000
"""Different words that are counted at once; beyond it those said least so far are forgotten."""
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words_of(text: str) -> list[bytes]:
    """The words of a text in UTF-8: in lower case, without punctuation, split at white space."""
    return text.lower().translate(_NO_PUNCTUATION).encode().split()


@dataclass
class WordCount:
    """How often each word is said."""

    counts: Counter[bytes] = field(default_factory=Counter)

    def add(self, texts: Iterable[str | None]) -> None:
        """Count the words of texts; a missing one has none."""
        for text in texts:
            if text:
                self.counts.update(words_of(text))
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
    words: list[int] = []
    ends = [0]
    for text in texts:
        if text:
            words.extend([number.get(word, unknown) for word in words_of(text)])
        ends.append(len(words))
    return Texts(np.array(words, np.int32), np.array(ends, np.int64))
