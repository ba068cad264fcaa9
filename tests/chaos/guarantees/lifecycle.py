"""Guarantees about the states of a job."""

from collections.abc import Iterator
from itertools import pairwise

from ridgeline.api.job import JobStatus, can_become
from ridgeline.storage import EventType
from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees.guarantee import Look, guarantee


@guarantee("2", "every job ends, after no more crashes without a new checkpoint than the cap")
def every_job_ends(evidence: Evidence) -> Iterator[Look]:
    """No job is queued or running after the run."""
    for story in evidence.stories.values():
        record, cap = story.record, evidence.timing.crash_cap
        if not record.status.terminal:
            yield Look(story.id, f"its status is {record.status} after the run")
        elif story.crashes > cap:
            detail = f"it crashed {story.crashes} times since its last new checkpoint"
            yield Look(story.id, f"{detail}; the cap is {cap}")
        else:
            yield Look(story.id)


@guarantee("4a", "only listed transitions happen, and the fence never decreases")
def transitions_are_listed(evidence: Evidence) -> Iterator[Look]:
    """The events of every job form a chain up to the status in its row."""
    for story in evidence.stories.values():
        yield Look(story.id, _broken_chain(story))


@guarantee("4b", "an ended job does not change")
def ended_jobs_stay(evidence: Evidence) -> Iterator[Look]:
    """A terminal status in a response is the final status of the job."""
    for action in ("read", "post", "cancel", "pause", "resume"):
        for entry in evidence.successes(action):
            status, story = entry.detail["status"], evidence.stories.get(entry.detail["job"])
            if story is None or not JobStatus(status).terminal:
                continue
            now = story.record.status
            broken = now != status
            yield Look(story.id, f"it was reported as {status} and is {now}" if broken else None)


@guarantee("8a", "a job never succeeds after the response to its cancellation")
def cancelled_jobs_do_not_succeed(evidence: Evidence) -> Iterator[Look]:
    """A job reported as cancelled is; one reported as cancelling may have failed by itself."""
    for entry in evidence.successes("cancel"):
        story = evidence.stories.get(entry.detail["job"])
        if story is None:
            continue  # guarantee 1 reports it
        reported, status = entry.detail["status"], story.record.status
        allowed = {JobStatus.CANCELLED}
        if reported != JobStatus.CANCELLED:
            allowed.add(JobStatus.FAILED)
        text = f"cancel returned {reported}, but it is {status}"
        yield Look(story.id, text if status not in allowed else None)


@guarantee("8b", "cancel takes a heartbeat and the grace period at most, without other faults")
def cancel_is_quick(evidence: Evidence) -> Iterator[Look]:
    """Checked only for jobs during whose time no server was struck."""
    limit = evidence.timing.cancel_s
    for entry in evidence.successes("cancel"):
        story = evidence.stories.get(entry.detail["job"])
        if story is None or story.record.finished_at is None:
            continue
        since, until = story.record.created_at.timestamp(), entry.ended + limit
        if any(strike.overlaps(since, until) for strike in evidence.strikes):
            continue
        took = story.record.finished_at.timestamp() - entry.ended
        yield Look(story.id, f"it took {took:.1f} s to be cancelled" if took > limit else None)


def _broken_chain(story: Story) -> str | None:
    """The first error in the job's events; None: there is none."""
    chain = story.statuses
    if not chain or (chain[0].before, chain[0].after) != (None, JobStatus.QUEUED):
        return "its first event is not `queued`"
    for before, after in pairwise(chain):
        if after.before is not before.after:
            return f"event {after.id} starts from {after.before}, but it was {before.after}"
    for event in chain[1:]:
        if event.before is None or event.after is None or not can_become(event.before, event.after):
            return f"event {event.id}: {event.before} → {event.after} is not listed"
    if chain[-1].after is not story.record.status:
        return f"its last event is {chain[-1].after}, but its row is {story.record.status}"
    for earlier, later in pairwise(story.events):
        if later.fence < earlier.fence:
            return f"the fence decreased to {later.fence} in event {later.id}"
    if chain[-1].after.terminal and story.events[-1].id != chain[-1].id:
        kind = EventType(story.events[-1].type)
        return f"event {story.events[-1].id} ({kind}) came after it had ended"
    return None
