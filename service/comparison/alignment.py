"""Matches the items of several lists: what is the same thing in each, as a reader would say.

Lists are brought together one after the other. Each is aligned with what was found so far by
dynamic programming (Needleman and Wunsch, 1970): items are matched in their order so that most is
alike, and gaps cost nothing.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

MOST_PAIRS = 100_000
"""How many pairs of items are compared to bring in one list; of more, only those are that lie about
the diagonal of the dynamic programme's table."""
MOST_OF_ALL = 400_000
"""How many for all lists: twenty of a thousand items each have two hundred million."""
_NAME, _ALIKE, _LEAST, _FAMILY = 1000, 120, 12, 10
"""What a match is worth: of equal names, of equal items, at least of the same kind, of a family."""


@dataclass(frozen=True)
class Item:
    """What an item of a list is known by."""

    kind: str
    family: Hashable
    name: str | None
    """What its author calls it."""
    text: str
    """Its members as JSON."""
    members: Mapping[str, JsonValue] = field(compare=False)


@dataclass
class Column:
    """Items that are the same thing: each list's place, by the list's number."""

    places: dict[int, int] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)

    def take(self, number: int, place: int, item: Item) -> None:
        """Let the item of a list be one of these."""
        self.places[number] = place
        if item not in self.items:
            self.items.append(item)


def align(lists: Sequence[Sequence[Item]]) -> list[dict[int, int]]:
    """The places of what is matched, by the lists' numbers; in an order that each list keeps.

    Only an item with a name may be matched out of order. Takes quadratic time for what differs, up
    to a bound, and linear for what is the same at both ends.
    """
    columns: list[Column] = []
    most_pairs = min(MOST_PAIRS, MOST_OF_ALL // len(lists)) if lists else 0
    interned: dict[Item, Item] = {}
    seen: dict[tuple[Item, ...], int] = {}
    for number, listed in enumerate(lists):
        items = tuple(interned.setdefault(item, item) for item in listed)
        known = seen.setdefault(items, number)
        if known != number:
            for column in columns:
                if known in column.places:
                    column.places[number] = column.places[known]
            continue
        columns = _merged(columns, number, items, most_pairs)
    return [column.places for column in columns]


def _merged(
    columns: list[Column], number: int, items: Sequence[Item], most_pairs: int
) -> list[Column]:
    """The columns with another list in them, and those that it alone has."""
    merged: list[Column] = []
    alone: list[Column] = []
    for column, place in _matches(columns, items, most_pairs):
        merged.append(column or Column())
        if place is not None:
            merged[-1].take(number, place, items[place])
        if column is None:
            alone.append(merged[-1])
    return _joined_by_name(merged, alone, number)


def _joined_by_name(columns: list[Column], alone: list[Column], number: int) -> list[Column]:
    """What stands elsewhere in the list under the same name is the same thing."""
    free = {
        item.name: column
        for column in columns
        if number not in column.places
        for item in column.items
        if item.name is not None
    }
    gone = []
    for column in alone:
        (item,) = column.items
        elsewhere = None if item.name is None else free.get(item.name)
        if elsewhere is not None and number not in elsewhere.places:
            elsewhere.take(number, column.places[number], item)
            gone.append(id(column))
    return [column for column in columns if id(column) not in gone]


def _matches(
    columns: Sequence[Column], items: Sequence[Item], most_pairs: int
) -> Iterator[tuple[Column | None, int | None]]:
    """Columns and places of items in their common order, either None where it has no match."""
    start, most = 0, min(len(columns), len(items))
    while start < most and items[start] in columns[start].items:
        start += 1
    end = 0
    while end < most - start and items[-1 - end] in columns[-1 - end].items:
        end += 1
    yield from zip(columns[:start], range(start), strict=True)
    middle = columns[start : len(columns) - end], items[start : len(items) - end]
    for column, place in _best_path(*middle, most_pairs):
        yield column, None if place is None else start + place
    last = range(len(items) - end, len(items))
    yield from zip(columns[len(columns) - end :], last, strict=True)


def _best_path(
    columns: Sequence[Column], items: Sequence[Item], most_pairs: int
) -> Iterator[tuple[Column | None, int | None]]:
    table = _table(columns, items, most_pairs)
    i = j = 0
    while i < len(columns) and j < len(items):
        match = table[i].match(j)
        if match and table[i].best(j) == match + table[i + 1].best(j + 1):
            yield columns[i], j
            i, j = i + 1, j + 1
        elif table[i].best(j) == table[i + 1].best(j):
            yield columns[i], None
            i += 1
        else:
            yield None, j
            j += 1
    yield from ((column, None) for column in columns[i:])
    yield from ((None, place) for place in range(j, len(items)))


class _Row(NamedTuple):
    """A column with the items from `first` on that are looked at; others are worth nothing."""

    first: int
    matches: list[int]
    """What the column is worth with each."""
    bests: list[int]
    """The most that the columns from this one on and the items from each on are worth together."""

    def match(self, place: int) -> int:
        """Of the item at a place."""
        at = place - self.first
        return self.matches[at] if 0 <= at < len(self.matches) else 0

    def best(self, place: int) -> int:
        """From the item at a place on."""
        at = place - self.first
        return self.bests[at] if 0 <= at < len(self.bests) else 0


def _table(columns: Sequence[Column], items: Sequence[Item], most_pairs: int) -> list[_Row]:
    """The rows of all columns, and one below them."""
    height, width = len(columns), len(items)
    pairs_each = 2 * sum(len(column.items) for column in columns)
    half = max(most_pairs // max(pairs_each, 1), width // max(height, 1) + 1)
    rows = [_Row(0, [], [])]
    for i in range(height - 1, -1, -1):
        centre = i * width // height
        places = range(max(0, centre - half), min(width, centre + half))
        rows.append(_row(columns[i], items, places, rows[-1]))
    return rows[::-1]


def _row(column: Column, items: Sequence[Item], places: range, under: _Row) -> _Row:
    """Fill the row in from its end."""
    known: dict[int, int] = {}
    row = _Row(places.start, [0] * len(places), [0] * len(places))
    most = 0
    for at, place in reversed(list(enumerate(places))):
        item = items[place]
        if id(item) not in known:
            known[id(item)] = max(_worth(one, item) for one in column.items)
        row.matches[at] = match = known[id(item)]
        if match:
            most = max(most, match + under.best(place + 1))
        row.bests[at] = most = max(most, under.best(place))
    return row


def _worth(one: Item, other: Item) -> int:
    """What it is worth to match two items; 0 where they are not the same kind of thing."""
    named = _NAME if one.name is not None and one.name == other.name else 0
    if one.kind == other.kind:
        names = one.members.keys() | other.members.keys()
        differ = sum(one.members.get(name) != other.members.get(name) for name in names)
        return named + max(_ALIKE // (differ + 1), _LEAST)
    return named + (_FAMILY if one.family == other.family else 0)
