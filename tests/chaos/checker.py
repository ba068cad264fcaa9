"""Checks the evidence of a run against the guarantees."""

from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees import lifecycle, publication, resilience, submission, training
from tests.chaos.guarantees.guarantee import Verdict, judge

__all__ = ["check", "report", "story_of"]

#: Importing these modules registers their checks.
CHECKS = (submission, lifecycle, training, publication, resilience)
_MOST_STORIES = 5


def check(evidence: Evidence) -> list[Verdict]:
    """Check every guarantee, in the order of the numbers."""
    return sorted(judge(evidence), key=_order)


def report(verdicts: Sequence[Verdict], evidence: Evidence) -> Iterator[str]:
    """The lines of the report: a table, and the full story of jobs that broke a guarantee."""
    yield "| | guarantee | checked | violated |"
    yield "|---|---|---|---|"
    for verdict in verdicts:
        guarantee = verdict.guarantee
        count = len(verdict.violations)
        yield f"| {guarantee.number} | {guarantee.promise} | {verdict.checked} | {count} |"
    broken = [(verdict, look) for verdict in verdicts for look in verdict.violations]
    for verdict, look in broken:
        yield f"\n{verdict.guarantee.number} broken by {look.job}: {look.problem}"
    for job in list(dict.fromkeys(look.job for _, look in broken))[:_MOST_STORIES]:
        yield from story_of(job, evidence)


def story_of(job: str, evidence: Evidence) -> Iterator[str]:
    """Everything known about one job, by id or label, in chronological order."""
    stories = [s for s in evidence.stories.values() if job in (s.id, s.work.label)]
    for story in stories:
        yield f"\n--- {story.id}: {story.record.name}"
        yield from (f"{at:.3f} {line}" for at, line in sorted(_moments(story, evidence)))
        yield f"now: {story.record}"
    if not stories:
        yield f"\n--- {job}: no such job"
        for entry in evidence.history:
            if job in (entry.detail.get("job"), entry.detail.get("label")):
                yield f"{entry.began:.3f} {entry.who} {entry.action} {entry.outcome} {entry.detail}"


def _moments(story: Story, evidence: Evidence) -> Iterator[tuple[float, str]]:
    for event in story.events:
        what = f"{event.before} → {event.after}" if event.after else "epoch"
        line = f"event {event.id} attempt {event.attempt} fence {event.fence}: {what}"
        yield event.created_at.timestamp(), f"{line} {event.payload}"
    for attempt in story.attempts:
        yield attempt.started_at.timestamp(), f"attempt {attempt.number} of {attempt.worker_id}"
        if attempt.ended_at:
            yield attempt.ended_at.timestamp(), f"attempt {attempt.number} ended: {attempt}"
    first = story.record.created_at.timestamp()
    last = story.record.finished_at.timestamp() if story.record.finished_at else float("inf")
    for entry in evidence.history:
        own = story.id == entry.detail.get("job") or story.work.label == entry.detail.get("label")
        if own or (entry.who == "nemesis" and entry.overlaps(first, last)):
            took = entry.ended - entry.began
            line = f"{entry.who}: {entry.action} {entry.outcome} ({took:.3f} s) {entry.detail}"
            yield entry.began, line


def _order(verdict: Verdict) -> tuple[int, str]:
    number = verdict.guarantee.number
    return int(number.rstrip("abcd")), number
