"""Several jobs beside each other."""

import json
from collections.abc import Sequence
from typing import Any

from ridgeline.api.comparison import (
    MAX_JOBS,
    MIN_JOBS,
    ComparedJob,
    Comparison,
)
from ridgeline.api.curves import Curves
from ridgeline.api.problems import ProblemCode
from ridgeline.api.report import Verdict
from ridgeline.charts import comparison_chart
from ridgeline.spec.faults import Fault
from ridgeline.storage import JobRecord, JobStore
from ridgeline.storage.records.thinning import MIN_POINTS
from service.charts.rules import Look
from service.comparison.differences import differences
from service.curves import rules as curves
from service.http.problems import ApiProblem
from service.jobs import rules as operations
from service.services import Parts

MAX_POINTS = 1000
"""The most epochs of each job that are compared: there may be twenty jobs."""


async def find(parts: Parts, listed: str) -> list[JobRecord]:
    """The jobs of a comma-separated list of ids.

    Raises ApiProblem: invalid-request, and not-found where there is no such job.
    """
    ids = [job_id.strip() for job_id in listed.split(",", MAX_JOBS)]
    if not MIN_JOBS <= len(ids) <= MAX_JOBS or len(set(ids)) < len(ids):
        detail = (
            f"expected {MIN_JOBS} to {MAX_JOBS} ids of jobs, each once, with commas between them:"
            " ?jobs=job_…,job_…"
        )
        fault = Fault(pointer="?jobs", detail=detail, rule="jobs-to-compare")
        raise ApiProblem(
            ProblemCode.INVALID_REQUEST,
            "See `errors`; `?name` is a query parameter.",
            errors=[fault],
        )
    return [await operations.find(parts, job_id) for job_id in ids]


def comparison(jobs: JobStore, records: Sequence[JobRecord], max_points: int) -> bytes:
    """The contract's Comparison as JSON."""
    found, left_out = differences(
        {record.id: record.spec for record in records},
        {record.id: record.resolved for record in records},
    )
    compared = Comparison(
        jobs=tuple(_job(jobs, record) for record in records),
        differences=tuple(found),
        differences_left_out=left_out,
        curves=aligned(jobs, records, max_points),
    )
    return compared.model_dump_json().encode()


def picture(
    jobs: JobStore, records: Sequence[JobRecord], measure: str, look: Look
) -> dict[str, Any]:
    """The curves of the jobs in one chart."""
    found = aligned(jobs, records, look.max_points)
    return comparison_chart(
        {_label(record, records): found[record.id] for record in records},
        measure,
        theme=look.theme,
        width=look.width,
        height=look.height,
        interactive=look.interactive,
    )


def aligned(jobs: JobStore, records: Sequence[JobRecord], max_points: int) -> dict[str, Curves]:
    """The jobs' curves at the same epochs, as far as each has come, by job id.

    Each job has a part of the points for what is extreme in it; all are read at all of these.
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
    """What to call a job in a legend: its name if it is the only one of that name, else its id."""
    same = [each for each in records if each.name == record.name]
    short_id = record.id[-8:]
    if record.name is None:
        return short_id
    return record.name if len(same) == 1 else f"{record.name} {short_id}"
