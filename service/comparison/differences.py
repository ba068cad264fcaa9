"""Reads specs, and lists where they differ."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ridgeline.api.comparison import Difference
from ridgeline.planning.wiring import INPUT, name_source, positions
from ridgeline.spec.faults import SpecError, pointer
from ridgeline.spec.job_spec import JobSpec
from service.comparison.layers import ListedLayer, layer_rows
from service.comparison.members import ABSENT, Node, Row, member_names, member_rows

MAX_DIFFERENCES = 500
"""How many differences are listed: two specs of 1 MiB may have hundreds of thousands."""
_MODEL, _LAYERS = "model", "layers"


def differences(
    specs: Mapping[str, str], resolved: Mapping[str, str]
) -> tuple[list[Difference], int]:
    """What specs say differently, and how many differences are not listed.

    Both are JSON by job id: the specs as they were posted, and as they were resolved. Layers are
    matched by name, kind and order, items of other lists by what they are. What one says and
    another leaves out is no difference where its silence means the same; what nobody says is none.
    The order of the jobs is that of the values, and decides whose `pointer` it is; nothing else.
    """
    ordered = sorted(specs, key=lambda job_id: (len(specs[job_id]), specs[job_id]))
    read = {job_id: _Spec(specs[job_id], resolved[job_id]) for job_id in ordered}
    found: list[Difference] = []
    count = 0
    labels: Counter[str] = Counter()
    for row in _rows(read):
        count += 1
        if len(found) < MAX_DIFFERENCES:
            labels[row.label] += 1
            found.append(_difference(row, specs, labels[row.label]))
    return found, count - len(found)


def _rows(specs: Mapping[str, "_Spec"]) -> Iterator[Row]:
    """Section by section, as a spec has them; the layers behind what else is said of the model."""
    nodes = {job_id: spec.node for job_id, spec in specs.items()}
    for name in member_names(nodes.values()):
        members = {job_id: node.member(name) for job_id, node in nodes.items()}
        yield from member_rows(members, name)
        # The layers of presets are told by the presets.
        if name == _MODEL and any(spec.lists_layers for spec in specs.values()):
            yield from layer_rows({job_id: spec.layers for job_id, spec in specs.items()})


def _difference(row: Row, job_ids: Mapping[str, str], number: int) -> Difference:
    pointers = {job_id: pointer(*row.paths[job_id]) for job_id in job_ids if job_id in row.paths}
    return Difference(
        label=row.label if number == 1 else f"{row.label} ({number})",
        pointer=next(iter(pointers.values())),
        pointers=pointers,
        values={job_id: row.values[job_id] for job_id in job_ids if job_id in row.values},
    )


class _Spec:
    """A job's spec: what it says, and what its silence means; its layers apart."""

    def __init__(self, text: str, resolved: str) -> None:
        said = json.loads(text)
        try:
            spec = JobSpec.model_validate_json(text)
            places = positions(spec.model.layers)
        except (ValidationError, SpecError):
            # An older release took it. It means what it says.
            posted, meant = _layers(said), said
            places = _places(posted)
            listed = [layer | {"name": name} for layer, name in zip(posted, places, strict=True)]
        else:
            # The policy and the preset have gone into the resolved layers.
            own = spec.model_dump(mode="json", include={_MODEL, "regularization"})
            meant = json.loads(resolved)
            listed = _layers(meant)
            meant |= own
            posted = _layers(said) or _preset_layers(spec)
        self.node = Node(_without_layers(said), _without_layers(meant))
        self.lists_layers = bool(_layers(said))
        above = [INPUT, *(str(layer["name"]) for layer in listed)]
        self.layers = [
            self._layer(layer, before, places.get(layer["name"]), posted)
            for layer, before in zip(listed, above, strict=False)
        ]

    def _layer(
        self, meant: dict[str, Any], above: str, index: int | None, posted: list[dict[str, Any]]
    ) -> ListedLayer:
        path = (_MODEL, _LAYERS, index) if self.lists_layers and index is not None else None
        said = ABSENT if index is None else posted[index]
        return ListedLayer(Node(said, meant, path), above)


def _layers(spec: Any) -> list[dict[str, Any]]:
    """The layers of a spec that lists some."""
    model = spec.get(_MODEL) if isinstance(spec, dict) else None
    layers = model.get(_LAYERS) if isinstance(model, dict) else None
    known = isinstance(layers, list) and all(
        isinstance(layer, dict) and isinstance(layer.get("type"), str) for layer in layers
    )
    return layers if known and isinstance(layers, list) else []


def _preset_layers(spec: JobSpec) -> list[dict[str, Any]]:
    """What a preset says of its layers."""
    return [layer.model_dump(mode="json", exclude_unset=True) for layer in spec.model.layers]


def _without_layers(spec: Any) -> Any:
    if not _layers(spec):
        return spec
    model = {name: value for name, value in spec[_MODEL].items() if name != _LAYERS}
    return spec | {_MODEL: model}


def _places(layers: list[dict[str, Any]]) -> dict[str, int]:
    """Each layer's place in the list by its name, or the one that wiring would give it."""
    free_name = name_source({INPUT, *(str(layer.get("name")) for layer in layers)})
    names = [str(layer.get("name") or free_name(layer["type"])) for layer in layers]
    return {name: index for index, name in enumerate(names)}
