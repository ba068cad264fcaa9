"""In any order of calls, only listed transitions happen and ends are final."""

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import BigInteger, delete, type_coerce, update

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import TERMINAL, EndCode, EndReason, JobStatus, can_become
from ridgeline.storage import (
    Claim,
    Database,
    IllegalTransition,
    JobRecord,
    JobStore,
    LeaseStore,
    NewJob,
    Outbox,
    UnknownJob,
    tables,
)

REASON = EndReason(code=EndCode.COMPLETED, detail="x")


class Store(RuleBasedStateMachine):
    """Calls of service, workers with valid and stale claims, and janitors, in any order."""

    database: Database
    job_ids = Bundle("job_ids")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        with self.database.write() as connection:
            connection.execute(delete(tables.jobs))  # and with them all else
        self.jobs = JobStore(self.database)
        self.leases = LeaseStore(self.database)
        self.outbox = Outbox(self.database)
        self.known: dict[str, JobRecord] = {}
        self.newest_fence: dict[str, int] = {}

    @rule(target=job_ids, deadline_s=st.sampled_from([None, 60.0]))
    def create(self, deadline_s: float | None) -> str:
        new = NewJob(spec="{}", resolved="{}", epochs=3, deadline_s=deadline_s)
        record = self.jobs.create(new).record
        self.known[record.id] = record
        return record.id

    @rule(target=claims, job_id=job_ids)
    def claim(self, job_id: str) -> Any:
        before = self.known.get(job_id)
        claim = self.leases.claim(job_id, "w")
        if claim is None:
            return multiple()
        assert before is not None
        assert before.status is JobStatus.QUEUED
        assert claim.fence == before.fence + 1
        return claim

    @rule(claim=claims)
    def beat(self, claim: Claim) -> None:
        answer = self.leases.heartbeat(claim)
        assert (answer is not None) == self.holds(claim)

    @rule(claim=claims, epoch=st.integers(1, 3))
    def record(self, claim: Claim, epoch: int) -> None:
        row = EpochRow(epoch=epoch, values={"loss": 1.0}, penalty_by_layer={}, seconds=0.1)
        answer = self.leases.record_epochs(claim, [row], eta_s=None)
        assert (answer is not None) == self.holds(claim)

    @rule(claim=claims, until=st.integers(1, 3))
    def resume(self, claim: Claim, until: int) -> None:
        row = EpochRow(epoch=until, values={"loss": 1.0}, penalty_by_layer={}, seconds=0.1)
        answer = self.leases.resume(claim, [row], until)
        assert (answer is not None) == self.holds(claim)

    @rule(claim=claims, status=st.sampled_from(sorted(TERMINAL)))
    def finish(self, claim: Claim, status: JobStatus) -> None:
        before = self.known.get(claim.job_id)
        done = self.leases.finish(claim, status, REASON)
        if before is None or before.fence != claim.fence:
            assert not done
        elif before.status is not status:
            assert done == (before.status.held and can_become(before.status, status))

    @rule(claim=claims, penalized=st.booleans())
    def release(self, claim: Claim, penalized: bool) -> None:
        released = self.leases.release(claim, penalized=penalized)
        assert (released is not None) == self.holds(claim)

    @rule(job_id=job_ids)
    def cancel(self, job_id: str) -> None:
        before = self.known.get(job_id)
        try:
            after = self.jobs.request_cancel(job_id).status
        except IllegalTransition:
            assert before is not None
            assert before.status.terminal
        except UnknownJob:
            assert before is None
        else:
            assert after in (JobStatus.CANCELLED, JobStatus.CANCELLING)

    @rule(job_id=job_ids)
    def pause(self, job_id: str) -> None:
        before = self.known.get(job_id)
        try:
            after = self.jobs.request_pause(job_id).status
        except IllegalTransition:
            assert before is not None
            assert before.status.terminal or before.status is JobStatus.CANCELLING
        except UnknownJob:
            assert before is None
        else:
            assert after in (JobStatus.PAUSING, JobStatus.PAUSED)

    @rule(job_id=job_ids)
    def resume_paused(self, job_id: str) -> None:
        before = self.known.get(job_id)
        try:
            after = self.jobs.request_resume(job_id).status
        except IllegalTransition:
            assert before is not None
            assert before.status.terminal or before.status is JobStatus.CANCELLING
        except UnknownJob:
            assert before is None
        else:
            assert after in (JobStatus.QUEUED, JobStatus.RUNNING)

    @rule(target=claims)
    def claim_next(self) -> Any:
        waiting = [each for each in self.known.values() if each.status is JobStatus.QUEUED]
        claim = self.leases.claim_next("w")
        if claim is None:
            return multiple()
        assert claim.job_id in [each.id for each in waiting]
        return claim

    @rule(job_id=job_ids)
    def delete(self, job_id: str) -> None:
        before = self.known.get(job_id)
        try:
            self.jobs.delete(job_id)
        except IllegalTransition:
            assert before is not None
            assert not before.status.terminal
        except UnknownJob:
            assert before is None
        else:
            assert before is not None
            assert before.status.terminal
            del self.known[job_id]

    @rule(hours=st.sampled_from([0, 1]))
    def reap_after(self, hours: int) -> None:
        past = {
            name: type_coerce(tables.jobs.c[name], BigInteger) - hours * HOUR_MS for name in CLOCKS
        }
        statement = update(tables.jobs).where(tables.jobs.c.status.not_in(TERMINAL)).values(past)
        with self.database.write() as connection:
            connection.execute(statement)
        for job_id, _ in self.leases.reap():
            before = self.known[job_id]
            assert before.status.held or (before.status is JobStatus.QUEUED and before.deadline_at)

    @rule()
    def dispatch(self) -> None:
        self.outbox.mark_dispatched([each.outbox_id for each in self.outbox.pending_dispatches()])

    @invariant()
    def every_job_is_sound(self) -> None:
        for job_id, before in list(self.known.items()):
            after = self.jobs.get(job_id)
            assert after is not None
            self.check_change(before, after)
            self.check_trail(after)
            self.known[job_id] = after

    def holds(self, claim: Claim) -> bool:
        """Whether the claim was the valid one before the step."""
        record = self.known.get(claim.job_id)
        return record is not None and record.fence == claim.fence and record.status.held

    def check_change(self, before: JobRecord, after: JobRecord) -> None:
        if before.status.terminal:
            assert after == before
        assert after.status is before.status or can_become(before.status, after.status)
        assert after.version >= before.version
        if after.version == before.version:
            assert visible(after) == visible(before)
        assert after.fence - before.fence == after.attempt - before.attempt
        assert not (after.status is JobStatus.SUCCEEDED and after.cancel_requested_at)
        assert (after.status is JobStatus.PAUSED) == (after.paused_at is not None)

    def check_trail(self, record: JobRecord) -> None:
        moves = [each for each in self.jobs.events(record.id) if each.type == "status"]
        assert (moves[0].before, moves[-1].after) == (None, record.status)
        for earlier, later in pairwise(moves):
            assert later.before is earlier.after
            assert later.before is not None
            assert later.after is not None
            assert can_become(later.before, later.after)
        attempts = self.jobs.attempts(record.id)
        assert len(attempts) == record.attempt
        assert all(each.ended_at for each in attempts[:-1])
        assert not attempts or (attempts[-1].ended_at is None) == record.status.held


HOUR_MS = 3_600_000
CLOCKS = ("lease_expires_at", "available_at", "deadline_at")


def visible(record: JobRecord) -> tuple[Any, ...]:
    """The fields that never change without a new version."""
    return (record.status, record.attempt, record.progress_epoch, record.cancel_requested_at)


def test_any_order_of_calls(database: Database) -> None:
    machine = type("StoreOnADatabase", (Store,), {"database": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30 if database.is_sqlite else 15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
