"""Guarantees about what was trained, by however many attempts."""

from collections.abc import Iterator
from itertools import pairwise

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JobStatus
from ridgeline.storage import EventType
from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees.guarantee import Look, guarantee
from tests.rig.work import epochs_of, loss_of


@guarantee("5b", "no more than one epoch is lost with an attempt")
def at_most_a_checkpoint_is_lost(evidence: Evidence) -> Iterator[Look]:
    """Every attempt goes on where the one before it was, but for its last epoch.

    The run keeps a checkpoint after every epoch, and an epoch is reported before it is kept.
    """
    for story in evidence.stories.values():
        told = [(first, last) for _, first, last in _told(story)]
        for (_, reached), (first, _) in pairwise(told):
            lost = reached - first + 1
            broken = lost > 1
            yield Look(story.id, f"{lost} epochs up to {reached} came again" if broken else None)


@guarantee("6", "the result is that of training without interruption")
def results_are_those_undisturbed(evidence: Evidence) -> Iterator[Look]:
    """Weights and losses equal, bit for bit, what the seed and the number of epochs give."""
    for story in evidence.stories.values():
        if story.record.status is not JobStatus.SUCCEEDED:
            continue
        published = {file.name: file.sha256 for file in story.record.artifacts}
        expected = [loss_of(weights) for weights in epochs_of(story.seed, story.record.epochs)]
        if published != story.expected_files():
            yield Look(story.id, "its files are not those of training without interruption")
        elif [row.values["loss"] for row in story.epochs] != expected:
            yield Look(story.id, "its losses are not those of training without interruption")
        else:
            yield Look(story.id)


@guarantee("9", "epochs are without a gap, and the events replay to them")
def epochs_are_whole(evidence: Evidence) -> Iterator[Look]:
    """Within an attempt they grow one by one; replayed, the events give the stored rows."""
    for story in evidence.stories.values():
        yield Look(story.id, _broken_epochs(story))


def _told(story: Story) -> Iterator[tuple[int, int, int]]:
    """For every attempt that told of epochs: its number, its first and its last epoch."""
    numbers: dict[int, list[int]] = {}
    for attempt, row in _rows(story):
        numbers.setdefault(attempt, []).append(row.epoch)
    for attempt, told in numbers.items():
        yield attempt, told[0], told[-1]


def _rows(story: Story) -> Iterator[tuple[int, EpochRow]]:
    for event in story.events:
        if event.type is EventType.EPOCH:
            yield event.attempt, EpochRow.model_validate_json(event.payload)


def _broken_epochs(story: Story) -> str | None:
    replayed: list[EpochRow] = []
    last_attempt = 0
    for attempt, row in _rows(story):
        if attempt < last_attempt:
            return f"attempt {attempt} told of epoch {row.epoch} after attempt {last_attempt}"
        if attempt == last_attempt and row.epoch != len(replayed) + 1:
            return f"attempt {attempt} told of epoch {row.epoch} after epoch {len(replayed)}"
        if row.epoch > len(replayed) + 1:
            return f"attempt {attempt} left out what is between {len(replayed)} and {row.epoch}"
        replayed[row.epoch - 1 :] = [row]
        last_attempt = attempt
    numbers = [row.epoch for row in story.epochs]
    if numbers != list(range(1, len(numbers) + 1)):
        return f"its epochs are {numbers}"
    # An attempt may go on from a checkpoint that lies behind what was told, and tell of no more.
    if list(story.epochs) != replayed[: len(numbers)]:
        return "its epochs are not what its events tell"
    if story.record.status is JobStatus.SUCCEEDED and len(numbers) != len(replayed):
        return f"its events tell of {len(replayed)} epochs, and it has {len(numbers)}"
    return None
