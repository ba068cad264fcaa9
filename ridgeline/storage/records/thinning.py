"""Which epochs of a long curve are worth showing: where any of its series is extreme.

A mean would hide the spikes that matter, and every n-th epoch may miss them. The curve comes in
blocks of epochs, of which the extremes of each series suffice.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

MIN_POINTS = 2
"""A curve of several epochs has its first and its last at least."""


class Extremes(NamedTuple):
    """Where a series is least and greatest in a block of epochs."""

    least: float
    least_at: int
    greatest: float
    greatest_at: int


class Block(NamedTuple):
    """What some successive epochs come to; a series without a finite value there is missing."""

    last: int
    """The last of its epochs."""
    extremes: Mapping[str, Extremes]


def block_of(rows: Iterable[tuple[int, Mapping[str, float | None]]]) -> Block:
    """The block of these rows: each an epoch, and its values by series."""
    series: dict[str, list[tuple[float, int]]] = {}
    last = 0
    for epoch, values in rows:
        last = epoch
        for name, value in values.items():
            if value is not None:
                series.setdefault(name, []).append((value, epoch))
    return Block(last, {name: _extremes(points) for name, points in series.items()})


def merged(blocks: Sequence[Block]) -> Block:
    """One block for several that follow each other."""
    extremes: dict[str, Extremes] = {}
    for block in blocks:
        for name, other in block.extremes.items():
            found = extremes.get(name)
            extremes[name] = other if found is None else _wider(found, other)
    return Block(blocks[-1].last, extremes)


def chosen(blocks: Sequence[Block], first: int, last: int, max_points: int) -> list[int]:
    """At most `max_points` epochs: `first`, `last`, and where a series is extreme in its bucket.

    A bucket is a part of the curve; there are as many of equal length as fit.
    """
    names = list(dict.fromkeys(name for block in blocks for name in block.extremes))
    # Where not even one bucket has room for the extremes of all series, those of the loss are kept.
    for series in (names, names[:1]):
        buckets = min((max_points - MIN_POINTS) // 2, len(blocks))
        while buckets > 0:
            kept = {first, last} | _extreme(_in_buckets(blocks, first, last, buckets), series)
            if len(kept) <= max_points:
                return sorted(kept)
            buckets = min(buckets - 1, buckets * max_points // len(kept))
    return sorted({first, last})


def _extremes(points: Sequence[tuple[float, int]]) -> Extremes:
    return Extremes(*min(points), *max(points, key=itemgetter(0)))


def _wider(one: Extremes, other: Extremes) -> Extremes:
    """The earlier of two equal extremes counts."""
    least, greatest = one, one
    if other.least < one.least:
        least = other
    if other.greatest > one.greatest:
        greatest = other
    return Extremes(least.least, least.least_at, greatest.greatest, greatest.greatest_at)


def _in_buckets(blocks: Sequence[Block], first: int, last: int, buckets: int) -> list[Block]:
    parts: dict[int, list[Block]] = {}
    for block in blocks:
        parts.setdefault((block.last - first) * buckets // (last - first + 1), []).append(block)
    return [merged(part) for part in parts.values()]


def _extreme(blocks: Iterable[Block], series: Iterable[str]) -> set[int]:
    """Where any of the series is extreme in any of the blocks."""
    found = [block.extremes[name] for name in series for block in blocks if name in block.extremes]
    return {each.least_at for each in found} | {each.greatest_at for each in found}
