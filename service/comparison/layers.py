"""How the layers of specs differ, each layer matched with its counterparts in the other specs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from pydantic import JsonValue

from ridgeline.planning.wiring import INPUT
from ridgeline.spec.layers import LAYERS
from service.comparison.matching import LayerKey, match_layers
from service.comparison.members import (
    ABSENT,
    DifferenceRow,
    SpecNode,
    alike,
    all_equal,
    member_names,
    member_rows,
    paths_of,
    text,
    whole_row,
)

#: A layer's name and inputs, which are compared apart from its arguments.
_WIRING = ("name", "inputs")
_PRESET = ("model", "preset")
_MOST_NAMED = 3


@dataclass(frozen=True)
class ListedLayer:
    """A layer of a job's network."""

    node: SpecNode
    """Its place in the spec; nothing is posted where the policy added the layer."""
    above: str
    """The name of the layer before it in the list."""

    @cached_property
    def name(self) -> str:
        """The name that it has in the resolved spec."""
        return str(self.node.resolved["name"])

    @cached_property
    def kind(self) -> str:
        """The Keras class's name."""
        return str(self.node.resolved["type"])

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of its input layers."""
        return tuple(self.node.resolved.get("inputs") or (self.above,))

    @property
    def is_posted(self) -> bool:
        """Whether its author, or the preset, listed it."""
        return self.node.posted is not ABSENT

    def posts(self, member: str) -> bool:
        """Whether its author gave it this member: a name, or inputs."""
        return self.is_posted and self.node.posted.get(member) is not None

    @cached_property
    def arguments(self) -> SpecNode:
        """All of it but its name and its inputs."""
        node = self.node
        posted = ABSENT if node.posted is ABSENT else _without_wiring(node.posted)
        return SpecNode(posted, _without_wiring(node.resolved), node.path)

    @cached_property
    def key(self) -> LayerKey:
        """What identifies it across specs."""
        layer = LAYERS.get(self.kind)
        return LayerKey(
            kind=self.kind,
            family=layer.__module__ if layer else self.kind,
            name=self.name if self.posts("name") else None,
            text=text(self.arguments.resolved),
        )

    @cached_property
    def as_posted(self) -> dict[str, Any]:
        """The layer as its author wrote it; of one from the policy all that is not null."""
        if self.is_posted:
            return dict(self.node.posted)
        resolved = self.arguments.resolved.items()
        return {name: value for name, value in resolved if value is not None}


MatchedLayers = Mapping[str, ListedLayer]
"""The same layer in several jobs, by job id."""


def layer_rows(networks: Mapping[str, Sequence[ListedLayer]]) -> Iterator[DifferenceRow]:
    """The differences between the layers of jobs, by job id, in the order of the networks.

    A layer that some of the jobs lack is one difference, and so is a layer replaced by another
    kind. Layers that only the policy adds are left to the policy's own difference.
    """
    wiring = _Wiring(networks)
    for layers in wiring.matched:
        if not any(layer.is_posted for layer in layers.values()):
            continue
        kinds = (layer.kind for layer in layers.values())
        differs_as_whole = len(layers) < len(networks) or not all_equal(kinds)
        for row in [_whole(layers, wiring)] if differs_as_whole else _members(layers, wiring):
            yield row if row.paths else row._replace(paths=dict.fromkeys(_posted(layers), _PRESET))


def _posted(layers: MatchedLayers) -> list[str]:
    return [job_id for job_id, layer in layers.items() if layer.is_posted]


def _whole(layers: MatchedLayers, wiring: "_Wiring") -> DifferenceRow:
    """A whole layer; with its inputs where they do not follow from the order."""
    apart = wiring.differs(layers)
    nodes = {
        job_id: SpecNode(
            layer.as_posted | ({"inputs": wiring.shown(job_id, layer)} if apart else {}),
            layer.node.resolved,
            layer.node.path,
        )
        for job_id, layer in layers.items()
    }
    kinds = " / ".join(dict.fromkeys(layer.kind for layer in layers.values()))
    job_id = _posted(layers)[0]
    posted = {job_id: nodes[job_id] for job_id in _posted(layers)}
    return whole_row(nodes, f"{kinds} after {wiring.inputs_of(job_id, layers[job_id])}")._replace(
        paths=paths_of(posted)
    )


def _members(layers: MatchedLayers, wiring: "_Wiring") -> Iterator[DifferenceRow]:
    label = wiring.name(layers)
    names = {job_id: layer.name for job_id, layer in layers.items()}
    if any(layer.posts("name") for layer in layers.values()) and not all_equal(names.values()):
        yield DifferenceRow(f"{label}: name", _paths(layers, "name"), names)
    arguments = {job_id: layer.arguments for job_id, layer in layers.items()}
    if not alike(arguments.values()):
        for member in member_names(arguments.values()):
            nodes = {job_id: node.member(member) for job_id, node in arguments.items()}
            yield from member_rows(nodes, f"{label}: {member}")
    if wiring.differs(layers):
        inputs: dict[str, JsonValue] = {
            job_id: wiring.shown(job_id, layer) for job_id, layer in layers.items()
        }
        yield DifferenceRow(f"{label}: inputs", _paths(layers, "inputs"), inputs)


def _paths(layers: MatchedLayers, member: str) -> dict[str, Any]:
    """The paths of a member; of the layers where nobody posted it."""
    posted = {
        job_id: layer.node.member(member) for job_id, layer in layers.items() if layer.posts(member)
    }
    return paths_of(posted or {job_id: layer.node for job_id, layer in layers.items()})


class _Wiring:
    """How the matched layers are connected in each job."""

    def __init__(self, networks: Mapping[str, Sequence[ListedLayer]]) -> None:
        job_ids = [*networks]
        matches = match_layers([[layer.key for layer in network] for network in networks.values()])
        self.matched: list[MatchedLayers] = [
            {job_ids[n]: networks[job_ids[n]][place] for n, place in sorted(places.items())}
            for places in matches
        ]
        self._index = {
            (job_id, layer.name): index
            for index, layers in enumerate(self.matched)
            for job_id, layer in layers.items()
        }

    def name(self, layers: MatchedLayers) -> str:
        """The layer's name; all its names where the jobs have several for it."""
        posted = [layer.name for layer in layers.values() if layer.is_posted]
        return _few(posted or [layer.name for layer in layers.values()], " / ")

    def inputs_of(self, job_id: str, layer: ListedLayer) -> str:
        """The names of a layer's inputs."""
        indexes = [self._index.get((job_id, name)) for name in self._listed_inputs(job_id, layer)]
        names = (INPUT if n is None else self.name(self.matched[n]) for n in indexes)
        return _few(names, " and ")

    def shown(self, job_id: str, layer: ListedLayer) -> list[JsonValue]:
        """The names of a layer's inputs, as its author would write them."""
        if layer.posts("inputs"):
            return list(layer.node.posted["inputs"])
        return list(self._listed_inputs(job_id, layer))

    def differs(self, layers: MatchedLayers) -> bool:
        """Whether the jobs give a layer different inputs.

        A layer between two others that only one of two jobs has is a difference of its own, so it
        is skipped here.
        """
        indexes = {
            job_id: tuple(self._index.get((job_id, name)) for name in layer.inputs)
            for job_id, layer in layers.items()
        }
        posted = any(layer.posts("inputs") for layer in layers.values())
        return any(
            self._common_inputs(one, layers[one], other, posted=posted)
            != self._common_inputs(other, layers[other], one, posted=posted)
            for one, other in combinations(layers, 2)
            if indexes[one] != indexes[other]
        )

    def _common_inputs(
        self, job_id: str, layer: ListedLayer, other: str, *, posted: bool
    ) -> list[int | None]:
        """A layer's nearest ancestors that the other job has too; None is the data set."""
        return [self._ancestor(job_id, name, other, posted=posted) for name in layer.inputs]

    def _ancestor(self, job_id: str, name: str, other: str, *, posted: bool) -> int | None:
        index = self._index.get((job_id, name))
        for _ in self.matched:
            if index is None or other in self.matched[index]:
                break
            between = self.matched[index][job_id]
            # Inputs that nobody posted are the layer before.
            if len(between.inputs) > 1 and posted:
                break
            above = between.above if len(between.inputs) > 1 else between.inputs[0]
            index = self._index.get((job_id, above))
        return index

    def _listed_inputs(self, job_id: str, layer: ListedLayer) -> list[str]:
        """A layer's inputs without the layers that the policy has inserted."""
        return [self._listed(job_id, name) for name in layer.inputs]

    def _listed(self, job_id: str, name: str) -> str:
        for _ in self.matched:
            index = self._index.get((job_id, name))
            if index is None or self.matched[index][job_id].is_posted:
                break
            name = self.matched[index][job_id].inputs[0]
        return name


def _without_wiring(layer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in layer.items() if name not in _WIRING}


def _few(names: Iterable[str], between: str) -> str:
    different = [*dict.fromkeys(names)]
    left_out = len(different) - _MOST_NAMED
    more = [f"{left_out} more"] if left_out > 0 else []
    return between.join(different[:_MOST_NAMED] + more)
