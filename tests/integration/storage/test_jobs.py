"""Jobs as seen by the API."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JOB_ID_PATTERN, EndReason, JobStatus
from ridgeline.storage import (
    ArtifactRecord,
    Claim,
    Database,
    Idempotency,
    IdempotencyConflict,
    IllegalTransition,
    JobStore,
    LeaseStore,
    NewJob,
    Outbox,
    UnknownJob,
)
from tests.rig.stored import stored_epochs

UNKNOWN = "job_" + "0" * 32
MODEL = ArtifactRecord(
    name="model.keras", key="j/1/model.keras", bytes=3, sha256="a" * 64, media_type="x/y"
)


class TestCreate:
    def test_record_has_all_given_fields(self, jobs: JobStore) -> None:
        new = NewJob(
            name="Ünï λ",
            spec='{"a": "\\u0000"}',
            resolved='{"b": 1}',
            penalties="[1]",
            advice="[2]",
            epochs=7,
            tags=("b", "a", "b"),
            deadline_s=1.5,
        )
        created = jobs.create(new)
        record = jobs.get(created.record.id)
        assert record == created.record
        assert not created.replayed
        for field in ("name", "spec", "resolved", "penalties", "advice", "epochs", "deadline_s"):
            assert getattr(record, field) == getattr(new, field)
        assert record is not None
        assert record.tags == ("b", "a", "b")
        assert (record.status, record.version, record.attempt) == (JobStatus.QUEUED, 1, 0)
        assert (record.metrics, record.artifacts, record.finished_at) == ("{}", (), None)
        assert re.match(JOB_ID_PATTERN, record.id)

    def test_created_at_is_now_in_utc(self, jobs: JobStore, new_job: Callable[..., Any]) -> None:
        created_at = jobs.create(new_job()).record.created_at
        assert created_at.tzinfo is UTC
        assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=1)

    def test_create_adds_a_hint_and_an_event(
        self, jobs: JobStore, outbox: Outbox, new_job: Callable[..., Any]
    ) -> None:
        created = jobs.create(new_job())
        assert outbox.pending_dispatches() == [(created.outbox_id, created.record.id)]
        (first,) = jobs.events(created.record.id)
        assert (first.before, first.after, first.type) == (None, JobStatus.QUEUED, "status")

    def test_failed_create_leaves_no_rows(
        self, jobs: JobStore, new_job: Callable[..., Any], rows_in: Callable[..., int]
    ) -> None:
        with pytest.raises(Exception, match=r"NOT NULL|not-null"):
            jobs.create(new_job(spec=None), Idempotency("key", "hash"))
        for table in ("jobs", "outbox", "events", "idempotency_keys"):
            assert rows_in(table) == 0


class TestIdempotency:
    def test_same_key_and_body_return_the_same_job(
        self, jobs: JobStore, new_job: Callable[..., Any], rows_in: Callable[..., int]
    ) -> None:
        first = jobs.create(new_job(), Idempotency("key", "hash"))
        again = jobs.create(new_job(name="ignored"), Idempotency("key", "hash"))
        assert again.record == first.record
        assert (again.replayed, again.outbox_id) == (True, None)
        assert rows_in("outbox") == 1

    def test_same_key_with_another_body_is_rejected(
        self, jobs: JobStore, new_job: Callable[..., Any]
    ) -> None:
        first = jobs.create(new_job(), Idempotency("key", "hash"))
        with pytest.raises(IdempotencyConflict, match=first.record.id):
            jobs.create(new_job(), Idempotency("key", "other"))
        assert len(jobs.list().records) == 1

    def test_deleted_job_frees_its_key(self, jobs: JobStore, new_job: Callable[..., Any]) -> None:
        first = jobs.create(new_job(), Idempotency("key", "hash")).record.id
        jobs.request_cancel(first)
        jobs.delete(first)
        again = jobs.create(new_job(), Idempotency("key", "other"))
        assert not again.replayed
        assert again.record.id != first


class TestRead:
    def test_unknown(self, jobs: JobStore) -> None:
        assert jobs.get(UNKNOWN) is None
        assert jobs.versions([UNKNOWN]) == {}
        assert stored_epochs(jobs, UNKNOWN) == []
        assert jobs.events(UNKNOWN) == []

    def test_versions_grow_with_every_visible_change(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        submit: Callable[..., str],
        row: Callable[..., EpochRow],
        completed: EndReason,
    ) -> None:
        job_id, other = submit(), submit()
        seen = [jobs.versions([job_id])[job_id]]
        claim = leases.claim(job_id, "w")
        assert claim is not None
        seen.append(jobs.versions([job_id])[job_id])
        leases.record_epochs(claim, [row(1)], eta_s=1.0)
        seen.append(jobs.versions([job_id])[job_id])
        leases.heartbeat(claim)
        assert jobs.versions([job_id])[job_id] == seen[-1]
        leases.finish(claim, JobStatus.SUCCEEDED, completed)
        seen.append(jobs.versions([job_id])[job_id])
        assert seen == [1, 2, 3, 4]
        assert jobs.versions([job_id, other]) == {job_id: 4, other: 1}

    def test_events_replay_from_an_id(
        self, jobs: JobStore, start: Callable[..., Claim], leases: LeaseStore, row: Any
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(1), row(2)], eta_s=None)
        events = jobs.events(claim.job_id)
        assert [each.type for each in events] == ["status", "status", "epoch", "epoch"]
        ids = [each.id for each in events]
        assert ids == sorted(set(ids))
        assert jobs.events(claim.job_id, after=ids[1]) == events[2:]
        assert jobs.events(claim.job_id, limit=1) == events[:1]
        assert EpochRow.model_validate_json(events[3].payload) == row(2)


class TestList:
    def test_pages_list_all_jobs_newest_first(
        self, jobs: JobStore, submit: Callable[..., str]
    ) -> None:
        made = [submit() for _ in range(25)]
        found: list[str] = []
        after = None
        pages = 0
        while True:
            records, after = jobs.list(limit=10, after=after)
            found += [record.id for record in records]
            pages += 1
            submit()  # a new job moves nothing
            if after is None:
                break
        assert (found, pages) == (made[::-1], 3)

    def test_full_last_page_has_no_cursor(self, jobs: JobStore, submit: Callable[..., str]) -> None:
        submit(), submit()
        assert jobs.list(limit=2).next_after is None
        assert jobs.list(limit=1).next_after is not None

    def test_filters_by_status_and_tag(self, jobs: JobStore, submit: Callable[..., str]) -> None:
        made = [
            submit(tags=("all", "even") if number % 2 == 0 else ("all",)) for number in range(12)
        ]
        for job_id in made[:4]:
            jobs.request_cancel(job_id)
        ended = {JobStatus.CANCELLED, JobStatus.FAILED}

        def ids(**filters: Any) -> list[str]:
            return [record.id for record in jobs.list(**filters).records]

        assert ids(tag="all") == made[::-1]
        assert ids(tag="even") == made[::2][::-1]
        assert ids(tag="none") == []
        assert ids(status=ended) == made[:4][::-1]
        assert ids(status=ended, tag="even") == [made[2], made[0]]
        assert ids(status=ended, tag="even", after=made[2]) == [made[0]]
        assert ids(status=set()) == []
        assert jobs.list(tag="even").records[0] == jobs.get(made[10])

    def test_page_needs_three_queries_whatever_its_size(
        self,
        database: Database,
        jobs: JobStore,
        leases: LeaseStore,
        start: Callable[..., Claim],
        completed: EndReason,
    ) -> None:
        for _ in range(6):
            claim = start(tags=("a",))
            leases.finish(claim, JobStatus.SUCCEEDED, completed, artifacts=[MODEL])
        statements: list[str] = []
        event.listen(
            database._engine,
            "before_cursor_execute",
            lambda *arguments: statements.append(arguments[2]),
        )
        records = jobs.list().records
        assert [record.artifacts for record in records] == [(MODEL,)] * 6
        assert len([each for each in statements if each.startswith("SELECT")]) == 3


class TestCancel:
    def test_queued_job_is_cancelled_at_once(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        job_id = submit()
        record = jobs.request_cancel(job_id)
        assert (record.status, record.reason_code) == (JobStatus.CANCELLED, "cancelled_by_user")
        assert record.finished_at is not None
        assert record.cancel_requested_at is not None
        assert record == jobs.get(job_id)
        assert leases.claim(job_id, "w") is None

    def test_running_job_becomes_cancelling(
        self, jobs: JobStore, leases: LeaseStore, start: Callable[..., Claim]
    ) -> None:
        claim = start()
        record = jobs.request_cancel(claim.job_id)
        assert (record.status, record.finished_at) == (JobStatus.CANCELLING, None)
        assert jobs.request_cancel(claim.job_id) == record
        answer = leases.heartbeat(claim)
        assert answer is not None
        assert answer.status is JobStatus.CANCELLING

    def test_ended_job_cannot_be_cancelled(
        self, jobs: JobStore, leases: LeaseStore, start: Callable[..., Claim], completed: EndReason
    ) -> None:
        claim = start()
        leases.finish(claim, JobStatus.SUCCEEDED, completed)
        with pytest.raises(IllegalTransition, match="succeeded") as caught:
            jobs.request_cancel(claim.job_id)
        assert caught.value.status is JobStatus.SUCCEEDED

    def test_unknown_job_is_rejected(self, jobs: JobStore) -> None:
        with pytest.raises(UnknownJob, match=UNKNOWN):
            jobs.request_cancel(UNKNOWN)


class TestDelete:
    def test_delete_removes_all_rows_and_returns_the_file_keys(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        new_job: Callable[..., Any],
        row: Callable[..., EpochRow],
        completed: EndReason,
        rows_in: Callable[..., int],
    ) -> None:
        kept = jobs.create(new_job(tags=("t",)), Idempotency("kept", "h")).record.id
        job_id = jobs.create(new_job(tags=("t",)), Idempotency("gone", "h")).record.id
        claim = leases.claim(job_id, "w")
        assert claim is not None
        leases.record_epochs(claim, [row(1)], eta_s=None)
        leases.finish(claim, JobStatus.SUCCEEDED, completed, artifacts=[MODEL])
        assert jobs.delete(job_id) == (MODEL.key,)
        assert jobs.get(job_id) is None
        side = ("job_tags", "attempts", "events", "epochs", "outbox", "artifacts")
        for table in (*side, "idempotency_keys"):
            assert rows_in(table, job_id) == 0
        assert jobs.get(kept) is not None

    def test_active_job_cannot_be_deleted(
        self, jobs: JobStore, submit: Callable[..., str], start: Callable[..., Claim]
    ) -> None:
        for job_id in (submit(), start().job_id):
            with pytest.raises(IllegalTransition, match="cannot be deleted"):
                jobs.delete(job_id)
            assert jobs.get(job_id) is not None

    def test_unknown_job_is_rejected(self, jobs: JobStore) -> None:
        with pytest.raises(UnknownJob):
            jobs.delete(UNKNOWN)

    def test_event_ids_are_never_reused(self, jobs: JobStore, submit: Callable[..., str]) -> None:
        job_id = submit()
        jobs.request_cancel(job_id)
        last = jobs.events(job_id)[-1].id
        jobs.delete(job_id)
        assert jobs.events(submit())[0].id > last


def test_final_event_has_the_reason(jobs: JobStore, submit: Callable[..., str]) -> None:
    job_id = submit()
    jobs.request_cancel(job_id)
    assert json.loads(jobs.events(job_id)[-1].payload)["code"] == "cancelled_by_user"
