"""Guarantees about faults around a job."""

from collections.abc import Iterator

from ridgeline.api.job import EndCode, JobStatus
from ridgeline.storage import AttemptReason, AttemptRecord
from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees.guarantee import Look, guarantee
from tests.chaos.history import Entry
from tests.chaos.plan import Target
from tests.rig.work import Fault

_PENALIZED = (AttemptReason.CRASHED, AttemptReason.LEASE_EXPIRED)
#: Targets whose failure may end an attempt, unlike database, broker and APIs.
_DEADLY = (Target.WORKER, Target.TRAINER, Target.DATABASE_LINK)
#: Targets whose failure prevents detection; afterwards every worker gets a new lease.
_BLINDING = (Target.API, Target.POSTGRESQL, Target.DATABASE_LINK)

_ENDS = {
    Fault.EXIT: {EndCode.CRASH_LOOP},
    Fault.SEGFAULT: {EndCode.CRASH_LOOP},
    Fault.HANG: {EndCode.CRASH_LOOP},
    Fault.KILL: {EndCode.OUT_OF_MEMORY, EndCode.CRASH_LOOP},
    Fault.NAN: {EndCode.DIVERGED},
    Fault.MEMORY: {EndCode.OUT_OF_MEMORY},
    Fault.DISK_FULL: {EndCode.NO_SPACE},
    Fault.ERROR: {EndCode.INTERNAL_ERROR},
    Fault.LEAVE: {EndCode.CRASH_LOOP},
    Fault.GARBAGE: {EndCode.CRASH_LOOP},
    Fault.HALF: {EndCode.CRASH_LOOP},
    Fault.CHATTER: {EndCode.CRASH_LOOP},
}
_CRASHES = {EndCode.CRASH_LOOP, EndCode.OUT_OF_MEMORY}


@guarantee("3c", "a worker that wakes up without its lease changes nothing")
def zombies_change_nothing(evidence: Evidence) -> Iterator[Look]:
    """No event of an attempt follows the return of a worker that had lost the job."""
    for strike in evidence.strikes:
        if strike.detail["target"] not in (Target.WORKER, Target.DATABASE_LINK):
            continue
        for story, attempt in _attempts_of(evidence, strike.detail["pid"]):
            if not _running_at(attempt, strike.began) or not _replaced(story, attempt, strike):
                continue
            late = [
                event
                for event in story.events
                if event.fence == attempt.fence and event.created_at.timestamp() > strike.ended
            ]
            text = f"attempt {attempt.number} wrote event {late[0].id}" if late else None
            yield Look(story.id, text)


@guarantee("5a", "a dead worker is detected within the lease and a reaper interval")
def dead_workers_are_detected(evidence: Evidence) -> Iterator[Look]:
    """The end of every attempt of a killed worker is recorded in time.

    Strikes on APIs and database extend the limit to a lease after them.
    """
    for strike in evidence.strikes:
        if not strike.action.startswith("kill worker"):
            continue
        for story, attempt in _attempts_of(evidence, strike.detail["pid"]):
            if not _running_at(attempt, strike.began):
                continue
            until = _detection_deadline(evidence, strike.began)
            ended = attempt.ended_at.timestamp() if attempt.ended_at else float("inf")
            late = f"attempt {attempt.number} ended {ended - until:.1f} s too late"
            yield Look(story.id, late if ended > until else None)


@guarantee(
    "5c", "an attempt fails only by a fault of its own, its worker or its database connection"
)
def attempts_fail_for_a_reason(evidence: Evidence) -> Iterator[Look]:
    """Training continues without broker, database or APIs."""
    for story in evidence.stories.values():
        for attempt in story.attempts:
            if attempt.outcome not in _PENALIZED:
                continue
            broken = not _fault_struck(story, attempt) and not _strikes_on(evidence, attempt)
            yield Look(
                story.id,
                f"attempt {attempt.number} ended as {attempt.outcome} without a fault"
                if broken
                else None,
            )


@guarantee("5d", "a worker that is stopped releases its jobs without penalty")
def drains_cost_nothing(evidence: Evidence) -> Iterator[Look]:
    """Checked only where nothing else struck the attempt and the database was available."""
    for strike in evidence.strikes:
        if not strike.action.startswith("terminate worker"):
            continue
        for story, attempt in _attempts_of(evidence, strike.detail["pid"]):
            if not _running_at(attempt, strike.began) or _fault_struck(story, attempt):
                continue
            others = [*_strikes_on(evidence, attempt), *_outages(evidence, attempt)]
            if any(other is not strike for other in others):
                continue
            broken = attempt.outcome in _PENALIZED
            text = f"attempt {attempt.number} ended as {attempt.outcome} when its worker stopped"
            yield Look(story.id, text if broken else None)


@guarantee("10", "Redis may be flushed, killed or cut off at any moment")
def redis_may_fail(evidence: Evidence) -> Iterator[Look]:
    """Every job that had not ended when Redis was struck ends later."""
    for strike in evidence.strikes:
        if strike.detail["target"] not in (Target.REDIS, Target.REDIS_LINK):
            continue
        for story in evidence.stories.values():
            if _alive_at(story, strike.began):
                status = story.record.status
                broken = f"its status is {status}; Redis was struck: {strike.action}"
                yield Look(story.id, None if status.terminal else broken)


@guarantee("11a", "a bad job ends with its reason")
def bad_jobs_end_with_their_reason(evidence: Evidence) -> Iterator[Look]:
    """The reason is that of the fault, or of an earlier strike or cancel."""
    for story in evidence.stories.values():
        if story.good or not story.record.status.terminal:
            continue
        fault, code = Fault(str(story.work.fault)), EndCode(str(story.record.reason_code))
        allowed = set(_ENDS[fault]) | ({EndCode.CANCELLED_BY_USER} if _cancelled(story) else set())
        if any(_strikes_on(evidence, attempt) for attempt in story.attempts):
            allowed |= _CRASHES
        broken = code not in allowed
        yield Look(story.id, f"its fault is {fault}, but its reason is {code}" if broken else None)


@guarantee("11b", "a good job succeeds unless cancelled or struck too often")
def good_jobs_succeed(evidence: Evidence) -> Iterator[Look]:
    """Bad jobs do not affect good ones."""
    for story in evidence.stories.values():
        record = story.record
        if not story.good or not record.status.terminal or _cancelled(story):
            continue
        struck = story.crashes >= evidence.timing.crash_cap and record.reason_code in _CRASHES
        broken = record.status is not JobStatus.SUCCEEDED and not struck
        text = f"its status is {record.status}: {record.reason_code}, {record.reason_detail}"
        yield Look(story.id, text if broken else None)


def _cancelled(story: Story) -> bool:
    return story.record.cancel_requested_at is not None


def _alive_at(story: Story, moment: float) -> bool:
    record = story.record
    ended = record.finished_at.timestamp() if record.finished_at else float("inf")
    return record.created_at.timestamp() <= moment <= ended


def _replaced(story: Story, attempt: AttemptRecord, strike: Entry) -> bool:
    """Whether another attempt of the job began before the strike was undone."""
    return any(
        other.number > attempt.number and other.started_at.timestamp() < strike.ended
        for other in story.attempts
    )


def _running_at(attempt: AttemptRecord, moment: float) -> bool:
    began, ended = _span(attempt)
    return began < moment < ended


def _span(attempt: AttemptRecord) -> tuple[float, float]:
    """The start and end time of the attempt."""
    ended = attempt.ended_at.timestamp() if attempt.ended_at else float("inf")
    return attempt.started_at.timestamp(), ended


def _attempts_of(evidence: Evidence, pid: int) -> Iterator[tuple[Story, AttemptRecord]]:
    for story in evidence.stories.values():
        for attempt in story.attempts:
            if _owner_pid(attempt) == pid:
                yield story, attempt


def _owner_pid(attempt: AttemptRecord) -> int:
    """The process id of the worker; an owner is host:pid:random."""
    return int(attempt.worker_id.split(":")[-2])


def _fault_struck(story: Story, attempt: AttemptRecord) -> bool:
    return story.work.fault is not None and (story.work.always or attempt.number == 1)


def _strikes_on(evidence: Evidence, attempt: AttemptRecord) -> list[Entry]:
    """The strikes that may have killed the attempt or let its lease expire."""
    began, ended = _span(attempt)
    pid = _owner_pid(attempt)
    return [
        strike
        for strike in evidence.strikes
        if strike.detail["target"] in _DEADLY
        and strike.detail["pid"] == pid
        and strike.overlaps(began, ended)
    ]


def _outages(evidence: Evidence, attempt: AttemptRecord) -> Iterator[Entry]:
    """The strikes on the database while the attempt ran."""
    began, ended = _span(attempt)
    for strike in evidence.strikes:
        if strike.detail["target"] == Target.POSTGRESQL and strike.overlaps(began, ended):
            yield strike


def _detection_deadline(evidence: Evidence, killed: float) -> float:
    """The latest time at which a death must be detected."""
    timing = evidence.timing
    until = killed + timing.detection_s
    blinding = [s for s in evidence.strikes if s.detail["target"] in _BLINDING]
    for strike in sorted(blinding, key=lambda strike: strike.began):
        if strike.overlaps(killed - timing.lease_s, until):
            until = max(until, strike.ended + timing.lease_s + timing.detection_s)
    return until
