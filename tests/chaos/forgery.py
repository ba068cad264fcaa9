"""Forged evidence of a run: sound at first; tests spoil it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import (
    ArtifactRecord,
    AttemptReason,
    AttemptRecord,
    EventRecord,
    EventType,
    JobRecord,
)
from tests.chaos.evidence import Evidence, Story, Timing
from tests.chaos.history import Entry, Outcome
from tests.chaos.plan import Target
from tests.rig.work import Fault, Work, epochs_of, loss_of

START = 1_800_000_000.0
TIMING = Timing(lease_s=4, heartbeat_s=1, reap_s=0.5, grace_s=2)
FIRST, SECOND = 100, 200
"""The process ids of two workers."""
RESUMED, POISON, CANCELLED = "job_resumed", "job_poison", "job_cancelled"
SEED, EPOCHS = 3, 5


def sound() -> Evidence:
    """Evidence of three jobs that ended correctly.

    One lost its worker after its third epoch and resumed on another, one is poison, and one was
    cancelled after the faults.
    """
    stories = (resumed(), poison(), cancelled())
    return Evidence({story.id: story for story in stories}, tuple(history()), TIMING)


def history() -> Iterable[Entry]:
    """The entries of clients and nemesis."""
    post: dict[str, Any] = {"code": 202, "status": "queued"}
    for job, label, key in (
        (RESUMED, "resumed", "key-1"),
        (POISON, "poison", None),
        (CANCELLED, "cancelled", None),
    ):
        at = 50 if job == CANCELLED else 0
        yield entry("client-0", "post", at, job=job, label=label, key=key, **post)
    yield entry("client-0", "read", 3, job=RESUMED, code=200, status="running")
    yield entry("nemesis", "kill worker-0", 4, 5, pid=FIRST, target=Target.WORKER)
    yield entry("nemesis", "freeze worker-0", 4, 11, pid=FIRST, target=Target.WORKER)
    yield entry("nemesis", "terminate worker-1", 14, 15, pid=SECOND, target=Target.WORKER)
    yield entry("nemesis", "flush redis", 6, 6, pid=1, target=Target.REDIS)
    yield entry("client-0", "cancel", 52, job=CANCELLED, code=202, status="cancelling")
    yield entry("reader", "read", 60, job=RESUMED, code=200, status="succeeded")
    digest = work_of(RESUMED).files(EPOCHS, SEED)["model.keras"]
    promised = hashlib.sha256(digest).hexdigest()
    download = {"name": "model.keras", "sha256": promised, "promised": promised}
    yield entry("reader", "download", 60, None, job=RESUMED, **download)


def entry(who: str, action: str, began: float, ended: float | None = None, **detail: Any) -> Entry:
    """A successful action, at seconds from the start."""
    until = began if ended is None else ended
    return Entry(who, action, Outcome.OK, START + began, START + until, detail)


def resumed() -> Story:
    """The job that had two workers."""
    files = work_of(RESUMED).files(EPOCHS, SEED)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    artifacts = tuple(
        ArtifactRecord(name=n, key=f"{RESUMED}/2/{n}", bytes=1, sha256=h, media_type="x/y")
        for n, h in hashes.items()
    )
    rows = _rows()
    events = (
        _status(1, 0, 0, None, JobStatus.QUEUED),
        _status(2, 1, 1, JobStatus.QUEUED, JobStatus.RUNNING),
        *(_epoch(2 + row.epoch, 1, row) for row in rows[:3]),
        _status(6, 8, 1, JobStatus.RUNNING, JobStatus.QUEUED),
        _status(7, 9, 2, JobStatus.QUEUED, JobStatus.RUNNING),
        *(_epoch(5 + row.epoch, 2, row) for row in rows[2:]),
        _status(11, 15, 2, JobStatus.RUNNING, JobStatus.SUCCEEDED),
    )
    attempts = (
        _attempt(1, FIRST, 1, 8, AttemptReason.LEASE_EXPIRED),
        _attempt(2, SECOND, 9, 15, EndCode.COMPLETED),
    )
    record = _record(
        RESUMED,
        status=JobStatus.SUCCEEDED,
        reason_code=EndCode.COMPLETED,
        attempt=2,
        fence=2,
        crash_count=1,
        finished_at=_time(15),
        artifacts=artifacts,
    )
    return Story(record, attempts, events, tuple(rows), hashes)


def poison() -> Story:
    """The job whose loss becomes NaN."""
    events = (
        _status(20, 0, 0, None, JobStatus.QUEUED),
        _status(21, 1, 1, JobStatus.QUEUED, JobStatus.RUNNING),
        _status(22, 2, 1, JobStatus.RUNNING, JobStatus.FAILED),
    )
    attempts = (_attempt(1, SECOND, 1, 2, EndCode.DIVERGED),)
    record = _record(
        POISON, status=JobStatus.FAILED, reason_code=EndCode.DIVERGED, finished_at=_time(2)
    )
    return Story(record, attempts, events, (), {})


def cancelled() -> Story:
    """The job that a client cancelled while it ran."""
    events = (
        _status(30, 50, 0, None, JobStatus.QUEUED),
        _status(31, 51, 1, JobStatus.QUEUED, JobStatus.RUNNING),
        _status(32, 52, 1, JobStatus.RUNNING, JobStatus.CANCELLING),
        _status(33, 53, 1, JobStatus.CANCELLING, JobStatus.CANCELLED),
    )
    attempts = (_attempt(1, SECOND, 51, 53, EndCode.CANCELLED_BY_USER),)
    record = _record(
        CANCELLED,
        status=JobStatus.CANCELLED,
        reason_code=EndCode.CANCELLED_BY_USER,
        created_at=_time(50),
        cancel_requested_at=_time(52),
        finished_at=_time(53),
    )
    return Story(record, attempts, events, (), {})


def work_of(job: str) -> Work:
    """The work of a forged job."""
    label = job.removeprefix("job_")
    return Work(label, fault=Fault.NAN, always=True) if job == POISON else Work(label)


def _rows() -> list[EpochRow]:
    losses = [loss_of(weights) for weights in epochs_of(SEED, EPOCHS)]
    return [
        EpochRow(epoch=n, values={"loss": loss}, penalty_by_layer={}, seconds=0.1)
        for n, loss in enumerate(losses, start=1)
    ]


def _record(job: str, **changes: Any) -> JobRecord:
    values: dict[str, Any] = {
        "id": job,
        "version": 9,
        "name": work_of(job).name,
        "tags": (),
        "spec": "{}",
        "resolved": json.dumps({"training": {"seed": SEED}}),
        "penalties": "[]",
        "advice": "[]",
        "epochs": EPOCHS,
        "reason_detail": "",
        "metrics": "{}",
        "available_at": _time(0),
        "attempt": 1,
        "crash_count": 0,
        "drain_count": 0,
        "checkpoint_epoch": 0,
        "checkpoint_crashes": 0,
        "fence": 1,
        "progress_epoch": 0,
        "created_at": _time(0),
        "started_at": _time(1),
        "artifacts": (),
    }
    empty: dict[str, Any] = {field.name: None for field in fields(JobRecord)}
    return JobRecord(**empty | values | changes)


def _attempt(number: int, pid: int, began: float, ended: float, outcome: str) -> AttemptRecord:
    values: dict[str, Any] = {field.name: None for field in fields(AttemptRecord)}
    return AttemptRecord(
        **values
        | {
            "number": number,
            "fence": number,
            "worker_id": f"host:{pid}:abcd",
            "started_at": _time(began),
            "ended_at": _time(ended),
            "outcome": outcome,
        }
    )


def _status(
    number: int, at: float, attempt: int, before: JobStatus | None, after: JobStatus
) -> EventRecord:
    reason = EndReason(code=EndCode.COMPLETED, detail="").model_dump_json()
    return EventRecord(
        id=number,
        type=EventType.STATUS,
        attempt=attempt,
        fence=attempt,
        before=before,
        after=after,
        payload=reason if after.terminal else "{}",
        created_at=_time(at),
    )


def _epoch(number: int, attempt: int, row: EpochRow) -> EventRecord:
    return EventRecord(
        id=number,
        type=EventType.EPOCH,
        attempt=attempt,
        fence=attempt,
        before=None,
        after=None,
        payload=row.model_dump_json(),
        created_at=_time(row.epoch if attempt == 1 else 7 + row.epoch),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)
