"""What members of specs say differently: objects by name, lists by what is in them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any, NamedTuple

from pydantic import JsonValue

Path = tuple[str | int, ...]

ABSENT: Any = object()
"""In place of a value where there is none, not even null."""
#: Of an item in a list, what tells it from the others.
_IDENTITIES = ("name", "value")


class Row(NamedTuple):
    """A difference: what it is, where each job says it, and each job's value."""

    label: str
    paths: Mapping[str, Path]
    values: Mapping[str, JsonValue]


@dataclass(frozen=True)
class Node:
    """A place in a job's spec."""

    said: Any
    """What stands there as posted."""
    meant: Any
    """What stands there with every default."""
    path: Path | None = ()
    """None where it stands nowhere in the spec as posted, though it is said: by a preset."""

    @property
    def value(self) -> Any:
        """What is said, else what silence means."""
        return self.meant if self.said is ABSENT else self.said

    def member(self, name: str) -> "Node":
        """A member of the object that is there."""
        path = None if self.path is None else (*self.path, name)
        return Node(_member(self.said, name), _member(self.meant, name), path)


def member_rows(nodes: Mapping[str, Node], label: str) -> Iterator[Row]:
    """The differences at a place of the specs, by job id, and in what it holds.

    What nobody says is none.
    """
    if all(node.said is ABSENT for node in nodes.values()) or alike(nodes.values()):
        return
    there = [node.value for node in nodes.values() if node.value not in (ABSENT, None)]
    if there and all(isinstance(value, dict) for value in there):
        rows = _object_rows(nodes, label)
        first = next(rows, None)
        if first is not None:
            yield first
            yield from rows
        elif len(there) < len(nodes):
            yield whole_row(nodes, label)
        return
    items = _items(nodes)
    if items is not None:
        yield from _item_rows(nodes, items, label)
    elif not all_equal(node.value for node in nodes.values()):
        yield whole_row(nodes, label)


def member_names(nodes: Iterable[Node]) -> Iterator[str]:
    """Names of the members that any of the jobs says, in the order in which a spec has them."""
    values = [value for node in nodes for value in (node.meant, node.said)]
    said = {name for node in nodes for name in _names(node.said)}
    ordered = dict.fromkeys(chain.from_iterable(map(_names, values)))
    return (name for name in ordered if name in said)


def whole_row(nodes: Mapping[str, Node], label: str) -> Row:
    """All that is there, as one difference."""
    return Row(
        label,
        paths_of(nodes),
        {job_id: node.value for job_id, node in nodes.items() if node.value is not ABSENT},
    )


def paths_of(nodes: Mapping[str, Node]) -> dict[str, Path]:
    """Where the specs as posted say it."""
    return {
        job_id: node.path
        for job_id, node in nodes.items()
        if node.said is not ABSENT and node.path is not None
    }


def alike(nodes: Iterable[Node]) -> bool:
    """Whether all say the same and mean the same: the usual case, and quickly told."""
    first, *others = nodes
    return all(
        node.said == first.said and node.meant == first.meant for node in others
    ) and all_equal(node.said for node in (first, *others))


def all_equal(values: Iterable[Any]) -> bool:
    """Whether values are the same JSON: true is not 1, and nothing is not null."""
    return len({"" if value is ABSENT else text(value) for value in values}) <= 1


def text(value: Any) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True)


def _member(value: Any, name: str) -> Any:
    return value.get(name, ABSENT) if isinstance(value, dict) else ABSENT


def _names(value: Any) -> Iterable[str]:
    return value if isinstance(value, dict) else ()


def _object_rows(nodes: Mapping[str, Node], label: str) -> Iterator[Row]:
    for name in member_names([*nodes.values()]):
        members = {job_id: node.member(name) for job_id, node in nodes.items()}
        yield from member_rows(members, f"{label}.{name}" if label[-1:] != " " else label + name)


def _items(nodes: Mapping[str, Node]) -> dict[str, dict[str, int]] | None:
    """Each job's items by what they are, with their places; None where that does not tell all.

    Nothing is lost by it where no list has an item twice, and any two have those that both have in
    the same order.
    """
    found = {job_id: _places(node.value) for job_id, node in nodes.items()}
    known = {job_id: places for job_id, places in found.items() if places is not None}
    if len(known) < len(nodes):
        return None
    orders = {tuple(places): places for places in known.values()}
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
    found = (item.get(name) for name in _IDENTITIES) if isinstance(item, dict) else ()
    return next((key for key in found if isinstance(key, str)), None)


def _item_rows(
    nodes: Mapping[str, Node], items: Mapping[str, Mapping[str, int]], label: str
) -> Iterator[Row]:
    """An item that some of the jobs lack is one difference."""
    for key in dict.fromkeys(key for places in items.values() for key in places):
        held = {job_id: _item(node, items[job_id].get(key)) for job_id, node in nodes.items()}
        if any(node.value is ABSENT for node in held.values()):
            row = whole_row(held, f"{label}: {key}")
            # What a default list alone has stands where others have theirs.
            yield row if row.paths else row._replace(paths=paths_of(nodes))
        else:
            yield from member_rows(held, f"{label} {key}: ")


def _item(node: Node, index: int | None) -> Node:
    if index is None:
        return Node(ABSENT, ABSENT)
    values: Sequence[Any] = node.value
    said = ABSENT if node.said is ABSENT else values[index]
    return Node(said, values[index], None if node.path is None else (*node.path, index))
