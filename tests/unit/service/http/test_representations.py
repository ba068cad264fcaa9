"""The spliced JSON fits the API's models."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ridgeline.api.job import Artifact, EndReason, Job, JobPage, JobStatus, Progress
from ridgeline.planning.advice import Advice
from ridgeline.planning.resolve import resolve
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from ridgeline.storage import ArtifactRecord, Database, JobRecord, JobStore, Page
from service.http.bodies import parse_spec
from service.http.documentation import DIGITS, IRIS
from service.http.representations import etag, job_json, page_json
from service.jobs.submissions import new_job

TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ENDED: dict[str, Any] = {
    "status": JobStatus.SUCCEEDED,
    "reason_code": "completed",
    "reason_detail": "All 30 epochs ran — “done”.",
    "metrics": '{"loss": 0.5, "val_loss": null}',
    "attempt": 2,
    "progress_epoch": 30,
    "eta_s": 0.25,
    "started_at": TIME,
    "finished_at": TIME.replace(microsecond=0),
    "artifacts": (
        ArtifactRecord(name="model.keras", key="k", bytes=3, sha256="ab" * 32, media_type="a/b"),
        ArtifactRecord(name="a b/ü.zip", key="k", bytes=0, sha256="cd" * 32, media_type="a/b"),
    ),
}


def record_of(spec: dict[str, Any], folder: Path) -> JobRecord:
    parsed = parse_spec(json.dumps(spec).encode())
    database = Database(f"sqlite:///{folder}/records.db")
    database.migrate()
    record = JobStore(database).create(new_job(parsed, resolve(parsed))).record
    database.close()
    return record


def as_contract(record: JobRecord) -> Job:
    """The same job, validated and serialized by pydantic."""
    spec = json.dumps(json.loads(record.spec)).encode()
    reason = {"code": record.reason_code, "detail": record.reason_detail}
    return Job(
        id=record.id,
        name=record.name,
        status=record.status,
        reason=EndReason.model_validate_json(json.dumps(reason)) if record.reason_code else None,
        spec=parse_spec(spec),
        resolved=parse_spec(record.resolved.encode()),
        penalties=tuple(
            PenaltyTerm.model_validate_json(json.dumps(term))
            for term in json.loads(record.penalties)
        ),
        advice=tuple(
            Advice.model_validate_json(json.dumps(remark)) for remark in json.loads(record.advice)
        ),
        progress=Progress(
            epoch=record.progress_epoch,
            epochs=record.epochs,
            fraction=record.progress_epoch / record.epochs,
            eta_s=record.eta_s,
        ),
        attempt=record.attempt,
        metrics=json.loads(record.metrics),
        artifacts=tuple(
            Artifact(
                name=artifact.name,
                bytes=artifact.bytes,
                sha256=artifact.sha256,
                media_type=artifact.media_type,
                href={"model.keras": f"/jobs/{record.id}/artifacts/model.keras"}.get(
                    artifact.name, f"/jobs/{record.id}/artifacts/a%20b%2F%C3%BC.zip"
                ),
            )
            for artifact in record.artifacts
        ),
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        tags=record.tags,
    )


@pytest.mark.parametrize("spec", [DIGITS, IRIS, {**IRIS, "name": "“ü” ☃", "tags": ["é", "b"]}])
@pytest.mark.parametrize("changes", [{}, ENDED])
def test_a_record_fits_the_model_of_a_job(
    spec: dict[str, Any], changes: dict[str, Any], tmp_path: Path
) -> None:
    record = replace(record_of(spec, tmp_path), **changes)
    spliced = json.loads(job_json(record))
    slow = as_contract(record)
    # `spec` is what was posted: what was left out there is left out here.
    posted = {
        **slow.model_dump(mode="json"),
        "spec": slow.spec.model_dump(mode="json", exclude_unset=True),
    }
    assert spliced == posted
    assert Job.model_validate_json(job_json(record)) == slow


def test_a_posted_spec_is_returned_unchanged(tmp_path: Path) -> None:
    spliced = json.loads(job_json(record_of(DIGITS, tmp_path)))
    named = {
        **DIGITS,
        "training": {**DIGITS["training"], "loss": {"name": DIGITS["training"]["loss"]}},
    }
    assert spliced["spec"] == named


def test_a_page_fits_the_model(tmp_path: Path) -> None:
    record = record_of(IRIS, tmp_path)
    page = JobPage.model_validate_json(page_json(Page((record, record), "next")))
    assert [job.id for job in page.items] == [record.id, record.id]
    assert page.next == "next"
    assert JobPage.model_validate_json(page_json(Page((), None))).items == ()


def test_the_tag_follows_the_version(tmp_path: Path) -> None:
    record = record_of(IRIS, tmp_path)
    assert etag(record) == 'W/"1"'
    assert etag(replace(record, version=2)) == 'W/"2"'
