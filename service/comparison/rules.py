"""Compares jobs: how their specs differ, and their curves at the same epochs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ridgeline.api.comparison import MAX_JOBS, MIN_JOBS, ComparedJob, Comparison, Difference
from ridgeline.api.curves import Curves
from ridgeline.api.report import Verdict
from ridgeline.charts import comparison_chart
from ridgeline.planning.wiring import INPUT, name_source, positions
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage import JobRecord, JobStore
from ridgeline.storage.records.thinning import MIN_POINTS
from service.comparison.layers import ListedLayer, layer_rows
from service.comparison.members import ABSENT, DifferenceRow, SpecNode, member_names, member_rows
from service.curves import rules as curves
from service.curves.rules import ChartRequest
from service.errors import InvalidRequest
from service.jobs import rules as jobs_rules
from service.services import Services

MAX_POINTS = 1000
"""The most epochs compared per job: there may be twenty jobs."""
MAX_DIFFERENCES = 500
"""How many differences are listed: two specs of 1 MiB may have hundreds of thousands."""
_MODEL, _LAYERS = "model", "layers"


async def find(services: Services, listed: str) -> list[JobRecord]:
    """The jobs of a comma-separated list of ids.

    Raises InvalidRequest and UnknownJob.
    """
    ids = [job_id.strip() for job_id in listed.split(",", MAX_JOBS)]
    if not MIN_JOBS <= len(ids) <= MAX_JOBS or len(set(ids)) < len(ids):
        detail = (
            f"expected {MIN_JOBS} to {MAX_JOBS} different ids of jobs, separated by commas:"
            " ?jobs=job_…,job_…"
        )
        fault = Fault(pointer="?jobs", detail=detail, rule="jobs-to-compare")
        raise InvalidRequest([fault])
    return [await jobs_rules.find(services, job_id) for job_id in ids]


def comparison(jobs: JobStore, records: Sequence[JobRecord], max_points: int) -> bytes:
    """A Comparison of the API as JSON."""
    listed, left_out = differences(
        {record.id: record.spec for record in records},
        {record.id: record.resolved for record in records},
    )
    compared = Comparison(
        jobs=tuple(_job(jobs, record) for record in records),
        differences=tuple(listed),
        differences_left_out=left_out,
        curves=aligned(jobs, records, max_points),
    )
    return compared.model_dump_json().encode()


def picture(
    jobs: JobStore, records: Sequence[JobRecord], measure: str, request: ChartRequest
) -> dict[str, Any]:
    """The curves of the jobs in one chart."""
    by_job = aligned(jobs, records, request.max_points)
    return comparison_chart(
        {_label(record, records): by_job[record.id] for record in records},
        measure,
        theme=request.theme,
        width=request.width,
        height=request.height,
        interactive=request.interactive,
    )


def aligned(jobs: JobStore, records: Sequence[JobRecord], max_points: int) -> dict[str, Curves]:
    """The jobs' curves at the same epochs, as far as each has trained, by job id.

    Each job contributes its share of the epochs, the extremes of its series among them.
    """
    share = max(MIN_POINTS, max_points // len(records))
    kept: set[int] = set()
    for record in records:
        kept.update(curves.curves(jobs, record.id, share).epoch)
    epochs = sorted(kept)
    return {record.id: _at(jobs, record, epochs) for record in records}


def _at(jobs: JobStore, record: JobRecord, epochs: Sequence[int]) -> Curves:
    table = curves.table_of(jobs.epochs_at(record.id, epochs))
    table.penalty_by_layer.clear()
    content = curves.to_json(table, record.id, complete=record.status.terminal)
    return Curves.model_validate_json(content)


def _job(jobs: JobStore, record: JobRecord) -> ComparedJob:
    text = jobs.report(record.id) if record.status.terminal else None
    return ComparedJob(
        id=record.id,
        name=record.name,
        status=record.status,
        verdict=None if text is None else Verdict(json.loads(text)["verdict"]),
        metrics=json.loads(record.metrics),
    )


def _label(record: JobRecord, records: Sequence[JobRecord]) -> str:
    """A job's label in a legend: its name, with its id where others have the same name."""
    same = [other for other in records if other.name == record.name]
    short_id = record.id[-8:]
    if record.name is None:
        return short_id
    return record.name if len(same) == 1 else f"{record.name} {short_id}"


def differences(
    specs: Mapping[str, str], resolved: Mapping[str, str]
) -> tuple[list[Difference], int]:
    """How specs differ, and how many differences are not listed.

    Both mappings hold JSON by job id: the specs as posted, and as resolved. Layers are matched by
    name, kind and order, items of other lists by their identity. A value that equals the default
    of a job that leaves it out is no difference; a value that nobody posted never is. The order of
    the jobs decides the order of the values and whose `pointer` is shown, nothing else.
    """
    ordered = sorted(specs, key=lambda job_id: (len(specs[job_id]), specs[job_id]))
    parsed = {job_id: _Spec(specs[job_id], resolved[job_id]) for job_id in ordered}
    listed: list[Difference] = []
    count = 0
    labels: Counter[str] = Counter()
    for row in _rows(parsed):
        count += 1
        if len(listed) < MAX_DIFFERENCES:
            labels[row.label] += 1
            listed.append(_difference(row, specs, labels[row.label]))
    return listed, count - len(listed)


def _rows(specs: Mapping[str, "_Spec"]) -> Iterator[DifferenceRow]:
    """Section by section, in a spec's order; the layers after the other members of the model."""
    nodes = {job_id: spec.node for job_id, spec in specs.items()}
    for name in member_names(nodes.values()):
        members = {job_id: node.member(name) for job_id, node in nodes.items()}
        yield from member_rows(members, name)
        # The layers of presets differ only if the presets do.
        if name == _MODEL and any(spec.lists_layers for spec in specs.values()):
            yield from layer_rows({job_id: spec.layers for job_id, spec in specs.items()})


def _difference(row: DifferenceRow, job_ids: Mapping[str, str], number: int) -> Difference:
    pointers = {job_id: pointer(*row.paths[job_id]) for job_id in job_ids if job_id in row.paths}
    return Difference(
        label=row.label if number == 1 else f"{row.label} ({number})",
        pointer=next(iter(pointers.values())),
        pointers=pointers,
        values={job_id: row.values[job_id] for job_id in job_ids if job_id in row.values},
    )


class _Spec:
    """A job's spec, as posted and with its defaults; its layers apart."""

    def __init__(self, text: str, resolved_text: str) -> None:
        posted = json.loads(text)
        try:
            spec = JobSpec.model_validate_json(text)
            places = positions(spec.model.layers)
        except (ValidationError, SpecError):
            # An older release accepted it: only what was posted is known.
            posted_layers, resolved = _layers(posted), posted
            places = _places(posted_layers)
            listed = [
                layer | {"name": name} for layer, name in zip(posted_layers, places, strict=True)
            ]
        else:
            # The policy and the preset are part of the resolved layers.
            own = spec.model_dump(mode="json", include={_MODEL, "regularization"})
            resolved = json.loads(resolved_text)
            listed = _layers(resolved)
            resolved |= own
            posted_layers = _layers(posted) or _preset_layers(spec)
        self.node = SpecNode(_without_layers(posted), _without_layers(resolved))
        self.lists_layers = bool(_layers(posted))
        above = [INPUT, *(str(layer["name"]) for layer in listed)]
        self.layers = [
            self._layer(layer, before, places.get(layer["name"]), posted_layers)
            for layer, before in zip(listed, above, strict=False)
        ]

    def _layer(
        self,
        resolved: dict[str, Any],
        above: str,
        index: int | None,
        posted_layers: list[dict[str, Any]],
    ) -> ListedLayer:
        path = (_MODEL, _LAYERS, index) if self.lists_layers and index is not None else None
        posted = ABSENT if index is None else posted_layers[index]
        return ListedLayer(SpecNode(posted, resolved, path), above)


def _layers(spec: Any) -> list[dict[str, Any]]:
    """The layers that a spec lists; none where it names a preset."""
    model = spec.get(_MODEL) if isinstance(spec, dict) else None
    layers = model.get(_LAYERS) if isinstance(model, dict) else None
    known = isinstance(layers, list) and all(
        isinstance(layer, dict) and isinstance(layer.get("type"), str) for layer in layers
    )
    return layers if known and isinstance(layers, list) else []


def _preset_layers(spec: JobSpec) -> list[dict[str, Any]]:
    """The layers that a preset stands for, without defaults."""
    return [layer.model_dump(mode="json", exclude_unset=True) for layer in spec.model.layers]


def _without_layers(spec: Any) -> Any:
    if not _layers(spec):
        return spec
    model = {name: value for name, value in spec[_MODEL].items() if name != _LAYERS}
    return spec | {_MODEL: model}


def _places(layers: list[dict[str, Any]]) -> dict[str, int]:
    """Each layer's index by its name, or by the name that wiring would give it."""
    free_name = name_source({INPUT, *(str(layer.get("name")) for layer in layers)})
    names = [str(layer.get("name") or free_name(layer["type"])) for layer in layers]
    return {name: index for index, name in enumerate(names)}
