"""Changes to forged evidence that break a guarantee."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ridgeline.api.curves import EpochRow
from tests.chaos.evidence import Evidence, Story
from tests.chaos.forgery import START, sound
from tests.chaos.history import Entry


def spoiled(job: str, change: Callable[[Story], Story]) -> Evidence:
    """The sound evidence with one story changed."""
    evidence = sound()
    stories = dict(evidence.stories)
    stories[job] = change(stories[job])
    return replace(evidence, stories=stories)


def with_record(**changes: Any) -> Callable[[Story], Story]:
    """Change columns of a job's row."""
    return lambda story: replace(story, record=replace(story.record, **changes))


def with_history(*more: Entry, without: str | None = None) -> Evidence:
    """The sound evidence with `more` entries and without those whose action contains `without`."""
    evidence = sound()
    kept = [entry for entry in evidence.history if without is None or without not in entry.action]
    return replace(evidence, history=(*kept, *more))


def lost(job: str) -> Evidence:
    """The sound evidence without the row of a job."""
    evidence = sound()
    kept = {name: story for name, story in evidence.stories.items() if name != job}
    return replace(evidence, stories=kept)


def another_job(story: Story) -> Evidence:
    """The sound evidence with a second job like that of the story."""
    evidence = sound()
    double = replace(story, record=replace(story.record, id="job_double"))
    return replace(evidence, stories={**evidence.stories, "job_double": double})


def drop_events(*numbers: int) -> Callable[[Story], Story]:
    """Remove events."""
    return lambda story: replace(
        story, events=tuple(event for event in story.events if event.id not in numbers)
    )


def change_event(number: int, **changes: Any) -> Callable[[Story], Story]:
    """Change fields of an event."""
    return lambda story: replace(
        story,
        events=tuple(
            replace(event, **changes) if event.id == number else event for event in story.events
        ),
    )


def repeat_event(number: int, new_id: int) -> Callable[[Story], Story]:
    """Repeat an event at the end."""

    def change(story: Story) -> Story:
        (event,) = (event for event in story.events if event.id == number)
        again = replace(event, id=new_id, attempt=story.events[-1].attempt, fence=2)
        return replace(story, events=(*story.events, again))

    return change


def move_attempt(number: int, seconds: float) -> Callable[[Story], Story]:
    """Change the end time of an attempt."""
    return _change_attempt(number, ended_at=datetime.fromtimestamp(START + seconds, UTC))


def end_attempt(number: int, outcome: str) -> Callable[[Story], Story]:
    """Change the outcome of an attempt."""
    return _change_attempt(number, outcome=outcome)


def file(**changes: Any) -> Callable[[Story], Story]:
    """Change the first of the published files."""

    def change(story: Story) -> Story:
        first, *others = story.record.artifacts
        files = (replace(first, **changes), *others)
        return replace(story, record=replace(story.record, artifacts=files))

    return change


def download(value: str | None) -> Callable[[Story], Story]:
    """Change the SHA-256 of a downloaded file; None: the download failed."""
    return lambda story: replace(story, downloads={**story.downloads, "model.keras": value})


def epochs(change: Callable[[list[EpochRow]], list[EpochRow]]) -> Callable[[Story], Story]:
    """Change the stored epochs."""
    return lambda story: replace(story, epochs=tuple(change(list(story.epochs))))


def change_losses(story: Story) -> Story:
    """Replace the losses in rows and events with those of another training."""
    events = [
        replace(event, payload=_of_another_training(event.payload))
        if event.after is None
        else event
        for event in story.events
    ]
    rows = [
        EpochRow.model_validate_json(_of_another_training(row.model_dump_json()))
        for row in story.epochs
    ]
    return replace(story, epochs=tuple(rows), events=tuple(events))


def combine(*changes: Callable[[Story], Story]) -> Callable[[Story], Story]:
    """Apply several changes."""

    def change(story: Story) -> Story:
        for single_change in changes:
            story = single_change(story)
        return story

    return change


def _change_attempt(number: int, **changes: Any) -> Callable[[Story], Story]:
    return lambda story: replace(
        story,
        attempts=tuple(replace(a, **changes) if a.number == number else a for a in story.attempts),
    )


def _of_another_training(payload: str) -> str:
    row = EpochRow.model_validate_json(payload)
    return row.model_copy(update={"values": {"loss": 1.0}}).model_dump_json()
