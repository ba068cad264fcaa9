"""Layers of several networks that are the same layer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.comparison import matching
from service.comparison.matching import LayerKey, match_layers


def key(text: str, name: str | None = None) -> LayerKey:
    """Its kind is the first letter of its text."""
    return LayerKey(text[0], text[0].lower(), name, text)


KEYS = st.builds(
    key, st.sampled_from(["a1", "a2", "A1", "b1", "c1"]), st.sampled_from([None, None, "x", "y"])
)


def matched(*networks: str) -> list[str]:
    """Matches of networks given as words: the word of each network, or a dash."""
    words = [text.split() for text in networks]
    return [
        " ".join(words[n][places[n]] if n in places else "-" for n in range(len(networks)))
        for places in match_layers([[key(word) for word in network] for network in words])
    ]


def test_an_inserted_layer_is_alone() -> None:
    assert matched("a1 b1 a1", "a1 c1 b1 a1") == ["a1 a1", "- c1", "b1 b1", "a1 a1"]
    assert matched("a1 a1", "a1 a1 a1") == ["a1 a1", "a1 a1", "- a1"]
    assert matched("", "a1") == ["- a1"]


def test_as_much_as_possible_is_equal() -> None:
    assert matched("a1 a2 b1", "a2 b1") == ["a1 -", "a2 a2", "b1 b1"]
    assert matched("a1 b1 c1", "a2 c1") == ["a1 a2", "b1 -", "c1 c1"]


def test_the_same_kind_is_preferred_to_the_same_family() -> None:
    assert matched("c1 a1 c1", "c1 A1 a2 c1") == ["c1 c1", "- A1", "a1 a2", "c1 c1"]
    assert matched("c1 a1 b1", "c1 A1 c1") == ["c1 c1", "a1 A1", "b1 -", "- c1"]


def test_layers_inserted_at_several_places_are_alone() -> None:
    assert matched("a1 b1 a2 b1 a3", "a1 c1 b1 a2 c1 b1 c1 a3") == [
        *("a1 a1", "- c1", "b1 b1", "a2 a2"),
        *("- c1", "b1 b1", "- c1", "a3 a3"),
    ]


@pytest.mark.parametrize("max_pairs", [0, 4, 100_000])
@given(networks=st.lists(st.lists(KEYS, max_size=9), min_size=1, max_size=4))
def test_every_layer_is_matched_once(max_pairs: int, networks: list[list[LayerKey]]) -> None:
    """Also by position where networks are long; and layers without a name keep their order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "MAX_PAIRS", max_pairs)
        matches = match_layers(networks)
    for number, keys in enumerate(networks):
        places = [places[number] for places in matches if number in places]
        assert sorted(places) == list(range(len(keys)))
        unnamed = [place for place in places if keys[place].name is None]
        assert unnamed == sorted(unnamed)


def elapsed(networks: list[list[LayerKey]]) -> float:
    """Processor time to match them."""
    before = time.process_time()
    assert sum(map(len, match_layers(networks))) == sum(map(len, networks))
    return time.process_time() - before


def test_ten_networks_of_300_layers_take_well_under_a_second() -> None:
    kinds = [*"abab", *"abcd"]
    networks = [
        [key(f"{kinds[(i * (n + 1)) % 8]}{(i * n) % 17}") for i in range(300)] for n in range(10)
    ]
    assert elapsed(networks) < 1


@pytest.mark.parametrize(
    "words",
    [
        lambda n, i: f"a{n}.{i}",
        lambda n, i: "a" if (i + n) % (n + 2) else "b",
        lambda n, i: "a" if i % 2 else f"{'cdefghijklmnopqrstuvwx'[n]}{i}",
        lambda n, i: f"{'abcdefgh'[(i * (2 * n + 1)) % 8]}{i % (n + 1)}",
    ],
    ids=["all-different", "repetitive", "interleaved", "shuffled"],
)
def test_hostile_networks_take_a_bounded_time(words: object) -> None:
    """Twenty networks of a thousand layers: all pairs would be two hundred million."""
    assert callable(words)
    assert elapsed([[key(words(n, i)) for i in range(1000)] for n in range(20)]) < 5
