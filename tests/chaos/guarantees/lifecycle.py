"""Guarantees about the states of a job."""

from collections.abc import Iterator
from itertools import pairwise

from ridgeline.api.job import JobStatus, can_become
from ridgeline.storage import EventType
from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees.guarantee import Look, guarantee


@guarantee("2", "every job ends, after no more crashes than the cap")
def every_job_ends(evidence: Evidence) -> Iterator[Look]:
    """No job waits or runs when the run is over."""
    for story in evidence.stories.values():
        record, cap = story.record, evidence.timing.crash_cap
        if not record.status.terminal:
            yield Look(story.id, f"it is {record.status} when everything should have ended")
        elif record.crash_count > cap:
            yield Look(story.id, f"it crashed {record.crash_count} times; the cap is {cap}")
        else:
            yield Look(story.id)


@guarantee("4a", "only listed transitions happen, with a fence that never falls")
def transitions_are_listed(evidence: Evidence) -> Iterator[Look]:
    """The events of every job are a chain from nothing to the status that its row has."""
    for story in evidence.stories.values():
        yield Look(story.id, _broken_chain(story))


@guarantee("4b", "what has ended stays as it is")
def ended_jobs_stay(evidence: Evidence) -> Iterator[Look]:
    """Whoever was told that a job had ended was told how it ended for good."""
    for action in ("read", "post", "cancel", "pause", "resume"):
        for entry in evidence.answered(action):
            status, story = entry.detail["status"], evidence.stories.get(entry.detail["job"])
            if story is None or not JobStatus(status).terminal:
                continue
            now = story.record.status
            broken = now != status
            yield Look(story.id, f"it was seen {status}, and is {now}" if broken else None)


@guarantee("8a", "a job never succeeds once its cancellation was answered")
def cancelled_jobs_do_not_succeed(evidence: Evidence) -> Iterator[Look]:
    """What was answered to be cancelled is; what was being cancelled may have failed by itself."""
    for entry in evidence.answered("cancel"):
        story = evidence.stories.get(entry.detail["job"])
        if story is None:
            continue  # the first guarantee speaks of it
        answer, status = entry.detail["status"], story.record.status
        allowed = {JobStatus.CANCELLED}
        if answer != JobStatus.CANCELLED:
            allowed.add(JobStatus.FAILED)
        text = f"cancel was answered with {answer}, and it is {status}"
        yield Look(story.id, text if status not in allowed else None)


@guarantee("8b", "cancel takes a beat and the grace, where nothing is wrong")
def cancel_is_quick(evidence: Evidence) -> Iterator[Look]:
    """Jobs that waited are cancelled at once, those that ran soon, if no server was struck then."""
    limit = evidence.timing.cancel_s
    for entry in evidence.answered("cancel"):
        story = evidence.stories.get(entry.detail["job"])
        if story is None or story.record.finished_at is None:
            continue
        since, until = story.record.created_at.timestamp(), entry.ended + limit
        if any(strike.overlaps(since, until) for strike in evidence.strikes):
            continue
        took = story.record.finished_at.timestamp() - entry.ended
        yield Look(story.id, f"it took {took:.1f} s to be cancelled" if took > limit else None)


def _broken_chain(story: Story) -> str | None:
    """What is wrong with the job's events; None if nothing is."""
    chain = story.statuses
    if not chain or (chain[0].before, chain[0].after) != (None, JobStatus.QUEUED):
        return "its first event is not that it was queued"
    for before, after in pairwise(chain):
        if after.before is not before.after:
            return f"event {after.id} goes from {after.before}, and it was {before.after}"
    for event in chain[1:]:
        if event.before is None or event.after is None or not can_become(event.before, event.after):
            return f"event {event.id}: {event.before} → {event.after} is not listed"
    if chain[-1].after is not story.record.status:
        return f"its last event made it {chain[-1].after}, and its row is {story.record.status}"
    for earlier, later in pairwise(story.events):
        if later.fence < earlier.fence:
            return f"the fence fell to {later.fence} in event {later.id}"
    if chain[-1].after.terminal and story.events[-1].id != chain[-1].id:
        kind = EventType(story.events[-1].type)
        return f"event {story.events[-1].id} ({kind}) came after it had ended"
    return None
