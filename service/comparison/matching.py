"""Matches the layers of several networks: by name, then by content, kind and family in order."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest
from typing import NamedTuple

MAX_PAIRS = 250_000
"""Sequences whose product of lengths exceeds this are matched by position: specs may be hostile."""


class LayerKey(NamedTuple):
    """What identifies a layer across specs."""

    kind: str
    family: Hashable
    """Shared by kinds that replace each other, such as Dropout and GaussianDropout."""
    name: str | None
    """The name its author gave it."""
    text: str
    """Its arguments as canonical JSON."""


@dataclass
class _Match:
    """The same layer in several networks."""

    places: dict[int, int] = field(default_factory=dict)
    """Its index in each network, by the network's number."""
    keys: list[LayerKey] = field(default_factory=list)

    def add(self, number: int, place: int, key: LayerKey) -> None:
        self.places[number] = place
        if key not in self.keys:
            self.keys.append(key)

    @property
    def key(self) -> LayerKey:
        """The first network's key, with the first name that any network gives the layer."""
        names = (key.name for key in self.keys if key.name is not None)
        return self.keys[0]._replace(name=next(names, None))


_Pair = tuple[int | None, int | None]
#: What is compared in turn; a second pass over the same key matches what the first one numbered
#: differently (see _numbered).
_LEVELS: tuple[Callable[[LayerKey], Hashable], ...] = (
    lambda key: key.name,
    lambda key: (key.kind, key.text),
    lambda key: (key.kind, key.text),
    lambda key: key.kind,
    lambda key: key.kind,
    lambda key: key.family,
)


def match_layers(networks: Sequence[Sequence[LayerKey]]) -> list[dict[int, int]]:
    """Match the layers of networks: for each layer its index by the network's number.

    The result keeps the order of every network; only a layer with a name may match out of order.
    """
    matches: list[_Match] = []
    for number, keys in enumerate(networks):
        merged: list[_Match] = []
        added: list[_Match] = []
        for index, place in _aligned([match.key for match in matches], matches, keys):
            match = _Match() if index is None else matches[index]
            if place is not None:
                match.add(number, place, keys[place])
            if index is None:
                added.append(match)
            merged.append(match)
        matches = _joined_by_name(merged, added, number)
    return [match.places for match in matches]


def _aligned(
    known: Sequence[LayerKey], matches: Sequence[_Match], keys: Sequence[LayerKey]
) -> Iterator[_Pair]:
    """Indexes of matches and places of keys in their common order; None where one is alone."""
    start = _common(key in match.keys for match, key in zip(matches, keys, strict=False))
    end = _common(
        key in match.keys
        for match, key in zip(reversed(matches[start:]), reversed(keys[start:]), strict=False)
    )
    left, right = range(start, len(known) - end), range(start, len(keys) - end)
    yield from zip(range(start), range(start), strict=True)
    if len(left) * len(right) > MAX_PAIRS:
        yield from _by_position(known, left, keys, right)
    else:
        yield from _by_level([known[i] for i in left], [keys[j] for j in right], start)
    yield from zip(range(left.stop, len(known)), range(right.stop, len(keys)), strict=True)


def _common(equal: Iterable[bool]) -> int:
    return sum(takewhile(bool, equal))


def _by_position(
    known: Sequence[LayerKey], left: range, keys: Sequence[LayerKey], right: range
) -> Iterator[_Pair]:
    for i, j in zip_longest(left, right):
        if i is not None and j is not None and known[i].kind == keys[j].kind:
            yield i, j
        else:
            yield from ([(i, None)] if i is not None else [])
            yield from ([(None, j)] if j is not None else [])


def _by_level(left: Sequence[LayerKey], right: Sequence[LayerKey], offset: int) -> Iterator[_Pair]:
    """Match two sequences level by level; what one level leaves between matches the next takes."""
    shared = {key.name for key in left} & {key.name for key in right} - {None}

    def between(i: int, i_end: int, j: int, j_end: int, level: int) -> Iterator[_Pair]:
        if i == i_end or j == j_end or level == len(_LEVELS):
            yield from ((offset + index, None) for index in range(i, i_end))
            yield from ((None, offset + index) for index in range(j, j_end))
            return
        one = _numbered(left[i:i_end], level, shared)
        other = _numbered(right[j:j_end], level, shared)
        first_i, first_j = i, j
        for a, b, size in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks():
            yield from between(i, first_i + a, j, first_j + b, level + 1)
            i, j = first_i + a + size, first_j + b + size
            yield from ((offset + i - n, offset + j - n) for n in range(size, 0, -1))

    return between(0, len(left), 0, len(right), 0)


def _numbered(keys: Sequence[LayerKey], level: int, shared: set[str | None]) -> list[Hashable]:
    """Comparable keys of one level, each numbered by its occurrences.

    Unique keys keep SequenceMatcher quadratic: repeated ones would make it cubic. A layer whose
    name both sides have is matched by that name alone.
    """
    counts: Counter[Hashable] = Counter()
    numbered: list[Hashable] = []
    for key in keys:
        value = _LEVELS[level](key)
        if (level == 0) != (key.name in shared) or value is None:
            numbered.append(object())  # matches nothing
            continue
        numbered.append((value, counts[value]))
        counts[value] += 1
    return numbered


def _joined_by_name(matches: list[_Match], added: list[_Match], number: int) -> list[_Match]:
    """Join what stands elsewhere in the network under the same name."""
    free = {
        key.name: match
        for match in matches
        if number not in match.places
        for key in match.keys
        if key.name is not None
    }
    joined = set()
    for match in added:
        (key,) = match.keys
        elsewhere = None if key.name is None else free.get(key.name)
        if elsewhere is not None and number not in elsewhere.places:
            elsewhere.add(number, match.places[number], key)
            joined.add(id(match))
    return [match for match in matches if id(match) not in joined]
