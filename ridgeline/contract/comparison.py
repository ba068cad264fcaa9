"""Several jobs beside each other: what their specs say differently, and how their curves went."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from ridgeline.contract.curves import Curves
from ridgeline.contract.job import JobId, JobStatus
from ridgeline.contract.problems import pointer
from ridgeline.contract.report import Verdict
from ridgeline.contract.schema import Contract
from ridgeline.contract.spec import JobSpec

MIN_JOBS, MAX_JOBS = 2, 20
MAX_DIFFERENCES = 500
"""How many differences are listed: two specs of 1 MiB may have hundreds of thousands."""
_NOT_SAID: Any = object()

Path = tuple[str | int, ...]


class ComparedJob(Contract):
    """A job among those that are compared."""

    id: JobId
    name: str | None
    status: JobStatus
    verdict: Verdict | None
    """The report's; null while the job has none."""
    metrics: dict[str, float | None]
    """The last epoch's values and the test set's; a value that was not finite is null."""


class Difference(Contract):
    """Something that the specs do not say alike."""

    pointer: str
    """Where in the specs (RFC 6901)."""
    values: dict[str, JsonValue]
    """What each job's spec says there, or what its silence means, by job id; a job in whose spec
    there is no such place is left out."""


class Comparison(Contract):
    """Jobs beside each other, in the order they were asked for."""

    jobs: tuple[ComparedJob, ...]
    differences: tuple[Difference, ...]
    """What the specs, as they were posted, say differently."""
    differences_left_out: int
    """How many more there are, beyond the first 500."""
    curves: dict[str, Curves]
    """By job id, the same epochs for each as far as it has come; without the penalties by layer."""


def differences(specs: Mapping[str, str]) -> tuple[list[Difference], int]:
    """What specs, as JSON by job id, say differently, and how many differences are not listed.

    A default that one says and another leaves out is no difference; but null and silence are two
    things: `kernel_regularizer: null` means none, and silence the policy's.
    """
    said = {job_id: dict(_leaves(json.loads(text))) for job_id, text in specs.items()}
    meant = {job_id: _meant(text) for job_id, text in specs.items()}
    found: list[Difference] = []
    count = 0
    for path in dict.fromkeys(path for leaves in said.values() for path in leaves):
        values = {
            job_id: value
            for job_id, leaves in said.items()
            if (value := leaves.get(path, _at(meant[job_id], path))) is not _NOT_SAID
        }
        if len(values) == len(specs) and len({json.dumps(each) for each in values.values()}) == 1:
            continue
        count += 1
        if len(found) < MAX_DIFFERENCES:
            found.append(Difference(pointer=pointer(*path), values=values))
    return found, count - len(found)


def _meant(text: str) -> Any:
    """The spec with every default; as it is where this release would not take it."""
    try:
        return JobSpec.model_validate_json(text).model_dump(mode="json")
    except ValidationError:
        return json.loads(text)


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that holds no other, by the way to it."""
    if not value or not isinstance(value, dict | list):
        yield path, value
        return
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(member, (*path, key))


def _at(spec: Any, path: Path) -> Any:
    """What a spec with its defaults has there, if that is a value and not null."""
    for key in path:
        if isinstance(spec, dict) and isinstance(key, str):
            spec = spec.get(key)
        elif isinstance(spec, list) and isinstance(key, int) and key < len(spec):
            spec = spec[key]
        else:
            return _NOT_SAID
    return _NOT_SAID if spec is None or (isinstance(spec, dict | list) and spec) else spec
