"""What the layers of specs say differently: each is matched with its own in the other specs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from pydantic import JsonValue

from ridgeline.planning.wiring import INPUT
from ridgeline.spec.layers import LAYERS
from service.comparison.alignment import Item, align
from service.comparison.members import (
    ABSENT,
    Node,
    Row,
    alike,
    all_equal,
    member_names,
    member_rows,
    paths_of,
    text,
    whole_row,
)

#: What a layer is called and where its input comes from, which is compared apart.
_WIRING = ("name", "inputs")
_PRESET = ("model", "preset")
_MOST_NAMED = 3


@dataclass(frozen=True)
class ListedLayer:
    """A layer of a job's network."""

    node: Node
    """What is said of it; nothing where the policy put it there."""
    above: str
    """The name of the layer above it."""

    @cached_property
    def name(self) -> str:
        """The name that it has in the resolved spec."""
        return str(self.node.meant["name"])

    @cached_property
    def kind(self) -> str:
        """The Keras class's name."""
        return str(self.node.meant["type"])

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the layers it takes."""
        return tuple(self.node.meant.get("inputs") or (self.above,))

    @property
    def is_said(self) -> bool:
        """Whether its author, or the preset, has put it there."""
        return self.node.said is not ABSENT

    def says(self, member: str) -> bool:
        """Whether it is said what it is called, or what it takes."""
        return self.is_said and self.node.said.get(member) is not None

    @cached_property
    def arguments(self) -> Node:
        """What is said besides its name and its inputs."""
        node = self.node
        said = ABSENT if node.said is ABSENT else _without_wiring(node.said)
        return Node(said, _without_wiring(node.meant), node.path)

    @cached_property
    def item(self) -> Item:
        """What it is known by in the other specs."""
        layer = LAYERS.get(self.kind)
        return Item(
            kind=self.kind,
            family=layer.__module__ if layer else self.kind,
            name=self.name if self.says("name") else None,
            text=text(self.arguments.meant),
            members=self.arguments.meant,
        )

    @cached_property
    def as_said(self) -> dict[str, Any]:
        """The layer as its author wrote it; of the policy's what is not null."""
        if self.is_said:
            return dict(self.node.said)
        meant = self.arguments.meant.items()
        return {name: value for name, value in meant if value is not None}


Layers = Mapping[str, ListedLayer]
"""What is the same layer in several jobs, by job id."""


def layer_rows(networks: Mapping[str, Sequence[ListedLayer]]) -> Iterator[Row]:
    """The differences between the layers of jobs, by job id, in the order of the networks.

    A layer that some of the jobs lack is one difference, and so is one whose place another kind of
    layer takes. Layers that nobody says, which are the policy's, are told by the policy.
    """
    wiring = _Wiring(networks)
    for column in wiring.columns:
        if not any(layer.is_said for layer in column.values()):
            continue
        alone = len(column) < len(networks) or not all_equal(map(_kind, column.values()))
        for row in [_whole(column, wiring)] if alone else _members(column, wiring):
            yield row if row.paths else row._replace(paths=dict.fromkeys(_said(column), _PRESET))


def _kind(layer: ListedLayer) -> str:
    return layer.kind


def _said(column: Layers) -> list[str]:
    return [job_id for job_id, layer in column.items() if layer.is_said]


def _whole(column: Layers, wiring: "_Wiring") -> Row:
    """All of a layer; with what it takes where that does not follow from the order."""
    apart = wiring.differs(column)
    nodes = {
        job_id: Node(
            layer.as_said | ({"inputs": wiring.shown(job_id, layer)} if apart else {}),
            layer.node.meant,
            layer.node.path,
        )
        for job_id, layer in column.items()
    }
    kinds = " / ".join(dict.fromkeys(layer.kind for layer in column.values()))
    job_id = _said(column)[0]
    said = {job_id: nodes[job_id] for job_id in _said(column)}
    return whole_row(nodes, f"{kinds} after {wiring.before(job_id, column[job_id])}")._replace(
        paths=paths_of(said)
    )


def _members(column: Layers, wiring: "_Wiring") -> Iterator[Row]:
    called = wiring.name(column)
    names = {job_id: layer.name for job_id, layer in column.items()}
    if any(layer.says("name") for layer in column.values()) and not all_equal(names.values()):
        yield Row(f"{called}: name", _paths(column, "name"), names)
    arguments = {job_id: layer.arguments for job_id, layer in column.items()}
    if not alike(arguments.values()):
        for member in member_names(arguments.values()):
            nodes = {job_id: node.member(member) for job_id, node in arguments.items()}
            yield from member_rows(nodes, f"{called}: {member}")
    if wiring.differs(column):
        inputs: dict[str, JsonValue] = {
            job_id: wiring.shown(job_id, layer) for job_id, layer in column.items()
        }
        yield Row(f"{called}: inputs", _paths(column, "inputs"), inputs)


def _paths(column: Layers, member: str) -> dict[str, Any]:
    """Where a member stands; where nobody says it, the layers."""
    said = {
        job_id: layer.node.member(member) for job_id, layer in column.items() if layer.says(member)
    }
    return paths_of(said or {job_id: layer.node for job_id, layer in column.items()})


class _Wiring:
    """How layers hang together across the jobs."""

    def __init__(self, networks: Mapping[str, Sequence[ListedLayer]]) -> None:
        job_ids = [*networks]
        aligned = align([[layer.item for layer in network] for network in networks.values()])
        self.columns: list[Layers] = [
            {job_ids[n]: networks[job_ids[n]][place] for n, place in sorted(places.items())}
            for places in aligned
        ]
        self._place = {
            (job_id, layer.name): index
            for index, column in enumerate(self.columns)
            for job_id, layer in column.items()
        }

    def name(self, column: Layers) -> str:
        """What a layer is called: all its names where the jobs have several for it."""
        said = [layer.name for layer in column.values() if layer.is_said]
        return _few(said or [layer.name for layer in column.values()], " / ")

    def before(self, job_id: str, layer: ListedLayer) -> str:
        """What the layers that it takes are called."""
        places = [self._place.get((job_id, name)) for name in self._taken(job_id, layer)]
        return _few((INPUT if n is None else self.name(self.columns[n]) for n in places), " and ")

    def shown(self, job_id: str, layer: ListedLayer) -> list[JsonValue]:
        """The names of the layers that it takes, as its author would write them."""
        said = layer.node.said["inputs"] if layer.says("inputs") else self._taken(job_id, layer)
        return list(said)

    def differs(self, column: Layers) -> bool:
        """Whether jobs let a layer take other layers.

        What only one of two jobs has between two layers is a difference of its own, and so is
        passed over here.
        """
        taken = {
            job_id: tuple(self._place.get((job_id, name)) for name in layer.inputs)
            for job_id, layer in column.items()
        }
        said = any(layer.says("inputs") for layer in column.values())
        return any(
            self._shared(one, column[one], other, said=said)
            != self._shared(other, column[other], one, said=said)
            for one, other in combinations(column, 2)
            if taken[one] != taken[other]
        )

    def _shared(
        self, job_id: str, layer: ListedLayer, other: str, *, said: bool
    ) -> list[int | None]:
        """What a layer takes, back to what the other job has too; None is the data."""
        return [self._back(job_id, name, other, said=said) for name in layer.inputs]

    def _back(self, job_id: str, name: str, other: str, *, said: bool) -> int | None:
        place = self._place.get((job_id, name))
        for _ in self.columns:
            if place is None or other in self.columns[place]:
                break
            between = self.columns[place][job_id]
            # Where nobody says what is taken, it is what stands above.
            if len(between.inputs) > 1 and said:
                break
            above = between.above if len(between.inputs) > 1 else between.inputs[0]
            place = self._place.get((job_id, above))
        return place

    def _taken(self, job_id: str, layer: ListedLayer) -> list[str]:
        """What a layer takes, but for what the policy has put between."""
        return [self._in_front(job_id, name) for name in layer.inputs]

    def _in_front(self, job_id: str, name: str) -> str:
        for _ in self.columns:
            place = self._place.get((job_id, name))
            if place is None or self.columns[place][job_id].is_said:
                break
            name = self.columns[place][job_id].inputs[0]
        return name


def _without_wiring(layer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in layer.items() if name not in _WIRING}


def _few(names: Iterable[str], between: str) -> str:
    each = [*dict.fromkeys(names)]
    more = [f"{len(each) - _MOST_NAMED} more"] if len(each) > _MOST_NAMED else []
    return between.join(each[:_MOST_NAMED] + more)
