"""Items of several lists that are the same thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.comparison import alignment
from service.comparison.alignment import Item, align


def item(text: str, name: str | None = None) -> Item:
    """Of the kind that its first letter is."""
    return Item(text[0], text[0].lower(), name, text, {"text": text})


ITEMS = st.builds(
    item, st.sampled_from(["a1", "a2", "A1", "b1", "c1"]), st.sampled_from([None, None, "x", "y"])
)


def matched(*lists: str) -> list[str]:
    """Lists of items, as words; what is matched, each list's item or a dash."""
    words = [text.split() for text in lists]
    return [
        " ".join(words[n][places[n]] if n in places else "-" for n in range(len(lists)))
        for places in align([[item(word) for word in each] for each in words])
    ]


def test_what_is_put_in_is_alone() -> None:
    assert matched("a1 b1 a1", "a1 c1 b1 a1") == ["a1 a1", "- c1", "b1 b1", "a1 a1"]
    assert matched("a1 a1", "a1 a1 a1") == ["a1 a1", "a1 a1", "- a1"]
    assert matched("", "a1") == ["- a1"]


def test_most_is_alike() -> None:
    assert matched("a1 a2 b1", "a2 b1") == ["a1 -", "a2 a2", "b1 b1"]
    assert matched("a1 b1 c1", "a2 c1") == ["a1 a2", "b1 -", "c1 c1"]


def test_the_same_kind_comes_before_the_family() -> None:
    assert matched("c1 a1 c1", "c1 A1 a2 c1") == ["c1 c1", "- A1", "a1 a2", "c1 c1"]
    assert matched("c1 a1 b1", "c1 A1 c1") == ["c1 c1", "a1 A1", "b1 -", "- c1"]


@pytest.mark.parametrize("most", [0, 4, 100_000])
@given(lists=st.lists(st.lists(ITEMS, max_size=9), min_size=1, max_size=4))
def test_every_item_is_matched_once(most: int, lists: list[list[Item]]) -> None:
    """Whatever part of the table is looked at; and what has no name keeps its order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "MOST_PAIRS", most)
        columns = align(lists)
    for number, items in enumerate(lists):
        places = [places[number] for places in columns if number in places]
        assert sorted(places) == list(range(len(items)))
        unnamed = [place for place in places if items[place].name is None]
        assert unnamed == sorted(unnamed)


def test_of_many_long_lists_a_bounded_number_of_pairs_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of twenty lists of 200 items, all different, there are almost eight million."""
    compared = 0

    def counted(one: Item, other: Item) -> int:
        nonlocal compared
        compared += 1
        return 12 if one.kind == other.kind else 0

    monkeypatch.setattr(alignment, "_worth", counted)
    columns = align([[item(f"a{number}.{place}") for place in range(200)] for number in range(20)])
    assert compared <= alignment.MOST_OF_ALL
    assert sum(map(len, columns)) == 20 * 200
