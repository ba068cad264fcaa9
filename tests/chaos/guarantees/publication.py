"""Guarantees about the files of a job."""

from collections.abc import Iterator

from ridgeline.api.job import JobStatus
from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees.guarantee import Look, guarantee

_FENCE = 1  # of a key's parts: job/fence/name


@guarantee("3b", "a job is published at most once, by the attempt that ended it")
def published_once(evidence: Evidence) -> Iterator[Look]:
    """A job succeeds once, its files are of that attempt, and other jobs have none."""
    for story in evidence.stories.values():
        yield Look(story.id, _broken_publication(story))


@guarantee("7", "a download has the recorded SHA-256 or fails")
def downloads_match(evidence: Evidence) -> Iterator[Look]:
    """Downloads after the run, which must succeed, and those of readers during it."""
    for story in evidence.stories.values():
        for file in story.record.artifacts:
            sha256 = story.downloads.get(file.name)
            if sha256 is None:
                yield Look(story.id, f"{file.name} was published but cannot be downloaded")
            else:
                broken = sha256 != file.sha256
                yield Look(
                    story.id, f"{file.name} differs from its recorded SHA-256" if broken else None
                )
    for entry in evidence.successes("download"):
        broken = entry.detail["sha256"] != entry.detail["promised"]
        name = entry.detail["name"]
        yield Look(
            entry.detail["job"],
            f"{name} differed from its recorded SHA-256 during the run" if broken else None,
        )


def _broken_publication(story: Story) -> str | None:
    successes = [e for e in story.statuses if e.after is JobStatus.SUCCEEDED]
    fences = {file.key.split("/")[_FENCE] for file in story.record.artifacts}
    if len(successes) > 1:
        return f"it succeeded {len(successes)} times"
    if story.record.status is not JobStatus.SUCCEEDED:
        return (
            f"its status is {story.record.status}, but it has files"
            if fences or successes
            else None
        )
    if not successes or not fences:
        return "it succeeded without an event or without a file"
    if fences != {str(successes[0].fence)}:
        return f"fence {successes[0].fence} succeeded, but its files are of {sorted(fences)}"
    return None
