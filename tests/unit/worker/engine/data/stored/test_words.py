"""Words are what keras.layers.TextVectorization finds."""

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ridgeline.api.features import words_of
from worker.engine.data.sources.stored import columns as words
from worker.engine.data.sources.stored.columns import WordCount, numbered

ASCII = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=30)


@settings(max_examples=40)
@given(st.lists(ASCII, min_size=1, max_size=20))
def test_ascii_texts_become_what_keras_makes_of_them(texts: list[str]) -> None:
    assume(any(words_of(text) for text in texts))
    layer = keras.layers.TextVectorization(ragged=True)
    layer.adapt(texts)
    count = WordCount()
    count.add(texts)
    vocabulary = count.most_frequent(10**6)
    assert list(vocabulary) == layer.get_vocabulary()[2:]
    number = {word.encode(): index for index, word in enumerate(vocabulary, start=2)}
    found = numbered(texts, number, unknown=1)
    expected = layer(np.array(texts, object))
    assert found.words.tolist() == expected.values.numpy().tolist()
    assert found.offsets.tolist() == expected.row_splits.numpy().tolist()


def test_letters_beyond_ascii_are_lowered() -> None:
    text = "ÄPFEL, Straße…\u00a0ΔΣ «Öl»"
    assert [word.decode() for word in words_of(text)] == ["äpfel", "straße…\u00a0δς", "«öl»"]


@given(st.lists(st.none() | st.text(max_size=20), max_size=10))
def test_texts_are_counted_together_as_one_by_one(texts: list[str | None]) -> None:
    count = WordCount()
    count.add(texts)
    assert sum(count.counts.values()) == sum(len(words_of(text)) for text in texts if text)
    assert set(count.counts) == {word for text in texts if text for word in words_of(text)}


def test_the_most_frequent_first_and_among_equals_the_last_of_the_alphabet() -> None:
    count = WordCount()
    count.add(["b a c", "a", None, "", "z z"])
    assert count.most_frequent(3) == ("z", "a", "c")
    assert count.most_frequent(99) == ("z", "a", "c", "b")
    assert count.most_frequent(0) == ()


def test_rare_words_are_forgotten_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST_COUNTED", 10)
    count = WordCount()
    count.add(["often often often twice twice", *map(str, range(10))])
    assert set(count.counts) == {b"often", b"twice"}
    count.add(["often once"])
    assert count.most_frequent(3) == ("often", "twice", "once")


def test_numbers_of_words() -> None:
    found = numbered(["b a ?", None, "", "c b"], {b"a": 2, b"b": 3}, unknown=1)
    assert found.words.tolist() == [3, 2, 1, 3]
    assert found.offsets.tolist() == [0, 2, 2, 2, 4]
