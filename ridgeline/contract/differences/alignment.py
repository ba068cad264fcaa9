"""Matches the items of several lists: what is the same thing in each, as a reader would say.

Lists are brought together one after the other. Each is aligned with what was found so far by
dynamic programming (Needleman and Wunsch, 1970): items are matched in their order so that most is
alike, and gaps cost nothing.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

MOST_CELLS = 100_000
"""Of one table of the dynamic programme; of a larger one only what lies about its diagonal is
looked at."""
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

    Only an item with a name may be matched out of order. Takes quadratic time for what differs,
    and linear for what is the same at both ends.
    """
    columns: list[Column] = []
    worth = _Worth()
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
        columns = _merged(columns, number, items, worth)
    return [column.places for column in columns]


def _merged(
    columns: list[Column], number: int, items: Sequence[Item], worth: "_Worth"
) -> list[Column]:
    """The columns with another list in them, and those that it alone has."""
    merged: list[Column] = []
    alone: list[Column] = []
    for column, place in _matches(columns, items, worth):
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
    columns: Sequence[Column], items: Sequence[Item], worth: "_Worth"
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
    for column, place in _best_path(*middle, worth):
        yield column, None if place is None else start + place
    last = range(len(items) - end, len(items))
    yield from zip(columns[len(columns) - end :], last, strict=True)


def _best_path(
    columns: Sequence[Column], items: Sequence[Item], worth: "_Worth"
) -> Iterator[tuple[Column | None, int | None]]:
    distinct = {id(item): item for item in items}
    worths = [worth.of(column, distinct) for column in columns]
    best = _best(worths, [id(item) for item in items])
    i = j = 0
    while i < len(columns) and j < len(items):
        match = worths[i][id(items[j])]
        if match and best[i][j] == match + best[i + 1][j + 1]:
            yield columns[i], j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            yield columns[i], None
            i += 1
        else:
            yield None, j
            j += 1
    yield from ((column, None) for column in columns[i:])
    yield from ((None, place) for place in range(j, len(items)))


def _best(worths: Sequence[Mapping[int, int]], keys: Sequence[int]) -> list[list[int]]:
    """The most that the columns from each on and the items from each on are worth together.

    `worths` has each column's worth with an item by the item's key.
    """
    rows, width = len(worths), len(keys)
    half = max(MOST_CELLS // (2 * max(rows, 1)), width // max(rows, 1) + 1)
    best = [[0] * (width + 1)]
    for i in range(rows - 1, -1, -1):
        worth, under, row = worths[i], best[-1], [0] * (width + 1)
        centre, most = i * width // rows, 0
        for j in range(min(width, centre + half) - 1, max(0, centre - half) - 1, -1):
            match = worth[keys[j]]
            if match and match + under[j + 1] > most:
                most = match + under[j + 1]
            row[j] = most = max(most, under[j])
        best.append(row)
    return best[::-1]


class _Worth:
    """What it is worth to match an item with a column: with that of its items most like it."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, int], int] = {}

    def of(self, column: Column, items: Mapping[int, Item]) -> dict[int, int]:
        """With each item, by its key; 0 where it is not the same kind of thing."""
        return {
            key: max(self._pair(one, item) for one in column.items) for key, item in items.items()
        }

    def _pair(self, one: Item, other: Item) -> int:
        key = (id(one), id(other))
        if key not in self._pairs:
            self._pairs[key] = _worth(one, other)
        return self._pairs[key]


def _worth(one: Item, other: Item) -> int:
    named = _NAME if one.name is not None and one.name == other.name else 0
    if one.kind == other.kind:
        names = one.members.keys() | other.members.keys()
        differ = sum(one.members.get(name) != other.members.get(name) for name in names)
        return named + max(_ALIKE // (differ + 1), _LEAST)
    return named + (_FAMILY if one.family == other.family else 0)
