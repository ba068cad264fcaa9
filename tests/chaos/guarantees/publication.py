"""Guarantees about the files of a job."""

from collections.abc import Iterator

from ridgeline.api.job import JobStatus
from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees.guarantee import Look, guarantee

_FENCE = 1  # of a key's parts: job/fence/name


@guarantee("3b", "a job is published at most once, by the attempt that ended it")
def published_once(evidence: Evidence) -> Iterator[Look]:
    """Success comes once, all files are of the attempt that had it, and no others have any."""
    for story in evidence.stories.values():
        yield Look(story.id, _broken_publication(story))


@guarantee("7", "a download has the promised SHA-256 or does not come")
def downloads_match(evidence: Evidence) -> Iterator[Look]:
    """Those at the end, which must come, and those that readers tried meanwhile."""
    for story in evidence.stories.values():
        for file in story.record.artifacts:
            got = story.downloads.get(file.name)
            if got is None:
                yield Look(story.id, f"{file.name} was published and is not to be had")
            else:
                broken = got != file.sha256
                yield Look(story.id, f"{file.name} is not what was promised" if broken else None)
    for entry in evidence.answered("download"):
        broken = entry.detail["sha256"] != entry.detail["promised"]
        name = entry.detail["name"]
        yield Look(
            entry.detail["job"], f"{name} was not what was promised for a while" if broken else None
        )


def _broken_publication(story: Story) -> str | None:
    successes = [e for e in story.statuses if e.after is JobStatus.SUCCEEDED]
    fences = {file.key.split("/")[_FENCE] for file in story.record.artifacts}
    if len(successes) > 1:
        return f"it succeeded {len(successes)} times"
    if story.record.status is not JobStatus.SUCCEEDED:
        return f"it is {story.record.status} and has files" if fences or successes else None
    if not successes or not fences:
        return "it succeeded without an event or without a file"
    if fences != {str(successes[0].fence)}:
        return f"fence {successes[0].fence} had success, and its files are of {sorted(fences)}"
    return None
