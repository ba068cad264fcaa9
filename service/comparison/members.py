"""How members of specs differ: objects are compared by name, lists by what identifies an item."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any, NamedTuple

from pydantic import JsonValue

Path = tuple[str | int, ...]

ABSENT: Any = object()
"""Stands for a value that does not exist, not even as null."""
#: The members that identify an item of a list.
_IDENTITIES = ("name", "value")


class DifferenceRow(NamedTuple):
    """A difference: its label, and each job's path and value."""

    label: str
    paths: Mapping[str, Path]
    values: Mapping[str, JsonValue]


@dataclass(frozen=True)
class SpecNode:
    """A place in a job's spec."""

    posted: Any
    """The value there as posted."""
    resolved: Any
    """The value there with every default."""
    path: Path | None = ()
    """None where the posted spec has no such place: a preset put the value there."""

    @property
    def value(self) -> Any:
        """The posted value, else the default."""
        return self.resolved if self.posted is ABSENT else self.posted

    def member(self, name: str) -> "SpecNode":
        """A member of the object at this place."""
        path = None if self.path is None else (*self.path, name)
        return SpecNode(_member(self.posted, name), _member(self.resolved, name), path)


def member_rows(nodes: Mapping[str, SpecNode], label: str) -> Iterator[DifferenceRow]:
    """The differences at one place of the specs, by job id, and below it.

    A place that no job has posted never differs.
    """
    if all(node.posted is ABSENT for node in nodes.values()) or alike(nodes.values()):
        return
    present = [node.value for node in nodes.values() if node.value not in (ABSENT, None)]
    if present and all(isinstance(value, dict) for value in present):
        rows = _object_rows(nodes, label)
        first = next(rows, None)
        if first is not None:
            yield first
            yield from rows
        elif len(present) < len(nodes):
            yield whole_row(nodes, label)
        return
    items = _items(nodes)
    if items is not None:
        yield from _item_rows(nodes, items, label)
    elif not all_equal(node.value for node in nodes.values()):
        yield whole_row(nodes, label)


def member_names(nodes: Iterable[SpecNode]) -> Iterator[str]:
    """Names of the members that any job has posted, in the order in which a spec has them."""
    nodes = list(nodes)
    values = [value for node in nodes for value in (node.resolved, node.posted)]
    posted = {name for node in nodes for name in _names(node.posted)}
    ordered = dict.fromkeys(chain.from_iterable(map(_names, values)))
    return (name for name in ordered if name in posted)


def whole_row(nodes: Mapping[str, SpecNode], label: str) -> DifferenceRow:
    """The whole values as one difference."""
    return DifferenceRow(
        label,
        paths_of(nodes),
        {job_id: node.value for job_id, node in nodes.items() if node.value is not ABSENT},
    )


def paths_of(nodes: Mapping[str, SpecNode]) -> dict[str, Path]:
    """The paths in the specs that have posted a value."""
    return {
        job_id: node.path
        for job_id, node in nodes.items()
        if node.posted is not ABSENT and node.path is not None
    }


def alike(nodes: Iterable[SpecNode]) -> bool:
    """Whether all posted and resolved values are equal: the common case, checked cheaply."""
    first, *others = nodes
    return all(
        node.posted == first.posted and node.resolved == first.resolved for node in others
    ) and all_equal(node.posted for node in (first, *others))


def all_equal(values: Iterable[Any]) -> bool:
    """Whether values are the same JSON: true is not 1, and absent is not null."""
    return len({"" if value is ABSENT else text(value) for value in values}) <= 1


def text(value: Any) -> str:
    """Canonical JSON: equal values give equal text."""
    return json.dumps(value, sort_keys=True)


def _member(value: Any, name: str) -> Any:
    return value.get(name, ABSENT) if isinstance(value, dict) else ABSENT


def _names(value: Any) -> Iterable[str]:
    return value if isinstance(value, dict) else ()


def _object_rows(nodes: Mapping[str, SpecNode], label: str) -> Iterator[DifferenceRow]:
    for name in member_names(nodes.values()):
        members = {job_id: node.member(name) for job_id, node in nodes.items()}
        yield from member_rows(members, f"{label}.{name}" if label[-1:] != " " else label + name)


def _items(nodes: Mapping[str, SpecNode]) -> dict[str, dict[str, int]] | None:
    """Each job's items by identity, with their places; None if items cannot be matched by it.

    They can where no list repeats an identity and any two lists have their common items in the
    same order.
    """
    places = {job_id: _places(node.value) for job_id, node in nodes.items()}
    known = {job_id: of_job for job_id, of_job in places.items() if of_job is not None}
    if len(known) < len(nodes):
        return None
    orders = {tuple(of_job): of_job for of_job in known.values()}
    for (one, first), (other, second) in combinations(orders.items(), 2):
        if [key for key in one if key in second] != [key for key in other if key in first]:
            return None
    return known


def _places(value: Any) -> dict[str, int] | None:
    if not isinstance(value, list):
        return None
    keys = [_identity(item) for item in value]
    places = {key: index for index, key in enumerate(keys) if key is not None}
    return places if len(places) == len(value) else None


def _identity(item: Any) -> str | None:
    if isinstance(item, str):
        return item
    values = (item.get(name) for name in _IDENTITIES) if isinstance(item, dict) else ()
    return next((value for value in values if isinstance(value, str)), None)


def _item_rows(
    nodes: Mapping[str, SpecNode], items: Mapping[str, Mapping[str, int]], label: str
) -> Iterator[DifferenceRow]:
    """An item that some of the jobs lack is one difference."""
    for key in dict.fromkeys(key for places in items.values() for key in places):
        held = {job_id: _item(node, items[job_id].get(key)) for job_id, node in nodes.items()}
        if any(node.value is ABSENT for node in held.values()):
            row = whole_row(held, f"{label}: {key}")
            # An item of a default list alone has no path: point to the lists of the other jobs.
            yield row if row.paths else row._replace(paths=paths_of(nodes))
        else:
            yield from member_rows(held, f"{label} {key}: ")


def _item(node: SpecNode, index: int | None) -> SpecNode:
    if index is None:
        return SpecNode(ABSENT, ABSENT)
    values: Sequence[Any] = node.value
    posted = ABSENT if node.posted is ABSENT else values[index]
    return SpecNode(posted, values[index], None if node.path is None else (*node.path, index))
