"""Guarantees about training, across any number of attempts."""

from collections.abc import Iterator
from itertools import pairwise

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JobStatus
from ridgeline.storage import EventType
from tests.chaos.evidence import Evidence, Story
from tests.chaos.guarantees.guarantee import Look, guarantee
from tests.rig.work import epochs_of, loss_of


@guarantee("5b", "an attempt loses at most one epoch")
def at_most_a_checkpoint_is_lost(evidence: Evidence) -> Iterator[Look]:
    """Every attempt resumes where the previous one ended, or one epoch before.

    The run saves a checkpoint after every epoch, and an epoch is reported before it is saved.
    """
    for story in evidence.stories.values():
        ranges = [(first, last) for _, first, last in _reported_epochs(story)]
        for (_, reached), (first, _) in pairwise(ranges):
            lost = reached - first + 1
            broken = lost > 1
            yield Look(story.id, f"{lost} epochs up to {reached} were repeated" if broken else None)


@guarantee("6", "the result equals that of uninterrupted training")
def results_equal_uninterrupted_training(evidence: Evidence) -> Iterator[Look]:
    """Weights and losses equal, bit for bit, those computed from seed and epochs."""
    for story in evidence.stories.values():
        if story.record.status is not JobStatus.SUCCEEDED:
            continue
        published = {file.name: file.sha256 for file in story.record.artifacts}
        expected = [loss_of(weights) for weights in epochs_of(story.seed, story.record.epochs)]
        if published != story.expected_files():
            yield Look(story.id, "its files differ from those of uninterrupted training")
        elif [row.values["loss"] for row in story.epochs] != expected:
            yield Look(story.id, "its losses differ from those of uninterrupted training")
        else:
            yield Look(story.id)


@guarantee("9", "epochs have no gap and equal the replayed events")
def epochs_are_whole(evidence: Evidence) -> Iterator[Look]:
    """Epochs increase by one within an attempt, and replayed events give the stored rows."""
    for story in evidence.stories.values():
        yield Look(story.id, _broken_epochs(story))


def _reported_epochs(story: Story) -> Iterator[tuple[int, int, int]]:
    """The number, first and last epoch of every attempt that reported epochs."""
    numbers: dict[int, list[int]] = {}
    for attempt, row in _rows(story):
        numbers.setdefault(attempt, []).append(row.epoch)
    for attempt, reported in numbers.items():
        yield attempt, reported[0], reported[-1]


def _rows(story: Story) -> Iterator[tuple[int, EpochRow]]:
    for event in story.events:
        if event.type is EventType.EPOCH:
            yield event.attempt, EpochRow.model_validate_json(event.payload)


def _broken_epochs(story: Story) -> str | None:
    replayed: list[EpochRow] = []
    last_attempt = 0
    for attempt, row in _rows(story):
        if attempt < last_attempt:
            return f"attempt {attempt} reported epoch {row.epoch} after attempt {last_attempt}"
        if attempt == last_attempt and row.epoch != len(replayed) + 1:
            return f"attempt {attempt} reported epoch {row.epoch} after epoch {len(replayed)}"
        if row.epoch > len(replayed) + 1:
            return f"attempt {attempt} skipped from epoch {len(replayed)} to {row.epoch}"
        replayed[row.epoch - 1 :] = [row]
        last_attempt = attempt
    numbers = [row.epoch for row in story.epochs]
    if numbers != list(range(1, len(numbers) + 1)):
        return f"its epochs are {numbers}"
    # An attempt may resume before the last reported epoch and report no more.
    if list(story.epochs) != replayed[: len(numbers)]:
        return "its epochs differ from its events"
    if story.record.status is JobStatus.SUCCEEDED and len(numbers) != len(replayed):
        return f"its events report {len(replayed)} epochs, but it has {len(numbers)}"
    return None
