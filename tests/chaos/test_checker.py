"""The checker finds every kind of violation: one that cannot fail would be worthless."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ridgeline.api.job import EndCode, JobStatus
from ridgeline.storage import AttemptReason
from tests.chaos import forgery
from tests.chaos.checker import check, report
from tests.chaos.evidence import Evidence
from tests.chaos.forgery import CANCELLED, FIRST, POISON, RESUMED, entry
from tests.chaos.plan import Target
from tests.chaos.spoiling import (
    another_job,
    both,
    change_event,
    download,
    drop_events,
    end_attempt,
    epochs,
    file,
    lost,
    move_attempt,
    other_losses,
    repeat_event,
    spoiled,
    with_history,
)
from tests.chaos.spoiling import with_record as row

Forge = Callable[[], Evidence]


def payload(epoch: int) -> str:
    """What the event of an epoch says."""
    return forgery.resumed().epochs[epoch - 1].model_dump_json()


def broken(evidence: Evidence) -> set[str]:
    return {verdict.guarantee.number for verdict in check(evidence) if verdict.violations}


def test_sound_evidence_breaks_nothing_and_every_guarantee_is_looked_at() -> None:
    verdicts = check(forgery.sound())
    assert {v.guarantee.number: v.violations for v in verdicts if v.violations} == {}
    assert [v.guarantee.number for v in verdicts if not v.checked] == []
    numbers = [v.guarantee.number for v in verdicts]
    assert numbers == [
        *(
            "1",
            "2",
            "3a",
            "3b",
            "3c",
            "4a",
            "4b",
            "5a",
            "5b",
            "5c",
            "5d",
            "6",
            "7",
            "8a",
            "8b",
            "9",
        ),
        *("10", "11a", "11b", "12"),
    ]


FORGERIES: dict[str, tuple[Forge, set[str]]] = {
    "an acknowledged job is gone": (lambda: lost(RESUMED), {"1"}),
    "an acknowledged job is another's": (
        lambda: spoiled(POISON, row(name="other fault=nan always=1")),
        {"1", "3a"},
    ),
    "a job waits for ever": (
        lambda: spoiled(
            POISON, both(row(status=JobStatus.QUEUED, finished_at=None), drop_events(21, 22))
        ),
        {"2", "10"},
    ),
    "a job runs for ever": (
        lambda: spoiled(
            POISON, both(row(status=JobStatus.RUNNING, finished_at=None), drop_events(22))
        ),
        {"2", "10"},
    ),
    "a job crashes for ever": (lambda: spoiled(POISON, row(crash_count=4)), {"2"}),
    "a key makes two jobs": (lambda: another_job(forgery.resumed()), {"3a"}),
    "a POST makes two jobs": (lambda: another_job(forgery.poison()), {"3a"}),
    "success comes twice": (lambda: spoiled(RESUMED, repeat_event(11, 12)), {"3b", "4a"}),
    "success comes without files": (lambda: spoiled(RESUMED, row(artifacts=())), {"3b", "6"}),
    "a zombie's file is published": (
        lambda: spoiled(RESUMED, file(key=f"{RESUMED}/1/model.keras")),
        {"3b"},
    ),
    "a zombie writes": (lambda: spoiled(RESUMED, change_event(10, fence=1)), {"3c", "4a"}),
    "a failed job has files": (
        lambda: spoiled(POISON, row(artifacts=forgery.resumed().record.artifacts)),
        {"3b", "7"},
    ),
    "a transition is not listed": (
        lambda: spoiled(POISON, change_event(22, before=JobStatus.QUEUED)),
        {"4a"},
    ),
    "a transition is left out": (lambda: spoiled(RESUMED, drop_events(6)), {"4a"}),
    "the first event is missing": (lambda: spoiled(POISON, drop_events(20)), {"4a"}),
    "the row is not where the events lead": (
        lambda: spoiled(POISON, change_event(22, after=JobStatus.CANCELLED)),
        {"4a"},
    ),
    "the fence falls": (lambda: spoiled(RESUMED, change_event(9, fence=1)), {"4a"}),
    "an epoch comes after the end": (lambda: spoiled(RESUMED, repeat_event(10, 12)), {"4a", "9"}),
    "an ended job was seen with another end": (
        lambda: with_history(entry("reader", "read", 20, job=RESUMED, code=200, status="failed")),
        {"4b"},
    ),
    "a dead worker is noticed too late": (lambda: spoiled(RESUMED, move_attempt(1, 11)), {"5a"}),
    "two epochs are lost": (
        lambda: spoiled(RESUMED, change_event(8, payload=payload(2))),
        {"5b", "9"},
    ),
    "an attempt is burnt by nothing": (lambda: with_history(without="worker-0"), {"5c"}),
    "an attempt is burnt by the database": (
        lambda: with_history(
            entry("nemesis", "kill postgresql", 4, 5, pid=1, target=Target.POSTGRESQL),
            without="worker-0",
        ),
        {"5c"},
    ),
    "a drain is penalised": (
        lambda: spoiled(RESUMED, end_attempt(2, AttemptReason.CRASHED)),
        {"5d"},
    ),
    "the weights differ": (
        lambda: spoiled(RESUMED, both(file(sha256="0" * 64), download("0" * 64))),
        {"6"},
    ),
    "the losses differ": (lambda: spoiled(RESUMED, other_losses), {"6"}),
    "a file is damaged": (lambda: spoiled(RESUMED, download("0" * 64)), {"7"}),
    "a file is gone": (lambda: spoiled(RESUMED, download(None)), {"7"}),
    "a file was damaged for a while": (
        lambda: with_history(
            entry("reader", "download", 20, job=RESUMED, name="x", sha256="0", promised="1")
        ),
        {"7"},
    ),
    "a cancelled job succeeds": (
        lambda: with_history(
            entry("client-0", "cancel", 10, job=RESUMED, code=202, status="cancelling")
        ),
        {"8a"},
    ),
    "a cancelled job fails": (
        lambda: with_history(
            entry("client-0", "cancel", 1, job=POISON, code=202, status="cancelled")
        ),
        {"4b", "8a"},
    ),
    "cancel takes for ever": (
        lambda: spoiled(
            CANCELLED, row(finished_at=forgery.resumed().record.created_at.replace(year=2030))
        ),
        {"8b"},
    ),
    "an epoch is missing": (
        lambda: spoiled(RESUMED, epochs(lambda rows: [*rows[:2], *rows[3:]])),
        {"6", "9"},
    ),
    "the last epoch is missing": (
        lambda: spoiled(RESUMED, epochs(lambda rows: rows[:-1])),
        {"6", "9"},
    ),
    "epochs come out of order": (
        lambda: spoiled(RESUMED, change_event(4, payload=payload(3))),
        {"9"},
    ),
    "an epoch has no event": (lambda: spoiled(RESUMED, drop_events(4)), {"9"}),
    "poison ends for another reason": (
        lambda: spoiled(POISON, row(reason_code=EndCode.INTERNAL_ERROR)),
        {"11a"},
    ),
    "poison succeeds": (lambda: spoiled(POISON, row(reason_code=EndCode.COMPLETED)), {"11a"}),
    "a good job fails": (
        lambda: spoiled(
            RESUMED,
            both(
                row(status=JobStatus.FAILED, artifacts=(), reason_code=EndCode.CRASH_LOOP),
                change_event(11, after=JobStatus.FAILED),
            ),
        ),
        {"4b", "11b"},
    ),
    "an answer is an internal error": (
        lambda: with_history(entry("client-0", "read", 5, job=RESUMED, code=500, status="running")),
        {"12"},
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_it_finds(name: str) -> None:
    forge, numbers = FORGERIES[name]
    assert broken(forge()) == numbers


def test_every_guarantee_can_be_broken() -> None:
    found = set().union(*(numbers for _, numbers in FORGERIES.values()))
    assert {verdict.guarantee.number for verdict in check(forgery.sound())} == found


@pytest.mark.parametrize(
    ("target", "blinded"), [(Target.API, True), (Target.POSTGRESQL, True), (Target.REDIS, False)]
)
def test_a_death_may_be_noticed_later_where_nobody_could_see_it(
    target: Target, blinded: bool
) -> None:
    late = spoiled(RESUMED, move_attempt(1, 15))
    blow = entry("nemesis", f"kill {target}", 5, 9, pid=1, target=target)
    evidence = replace(late, history=(*late.history, blow))
    assert ("5a" in broken(evidence)) is not blinded


def test_a_job_that_is_being_cancelled_may_fail_by_itself() -> None:
    cancel = entry("client-0", "cancel", 1, job=POISON, code=202, status="cancelling")
    assert broken(with_history(cancel)) == set()


def test_another_workers_death_explains_nothing() -> None:
    evidence = with_history(
        entry("nemesis", "kill worker-1", 4, 5, pid=FIRST + 1, target=Target.WORKER),
        without="worker-0",
    )
    assert "5c" in broken(evidence)


def test_the_report_counts_and_tells_the_whole_story() -> None:
    evidence = spoiled(RESUMED, download("0" * 64))
    text = "\n".join(report(check(evidence), evidence))
    assert "| 7 | a download has the promised SHA-256 or does not come | 3 | 1 |" in text
    assert "7 broken by job_resumed: model.keras is not what was promised" in text
    assert "nemesis: kill worker-0 ok" in text
    assert "running → succeeded" in text
    assert "\n".join(report(check(forgery.sound()), forgery.sound())).count("broken by") == 0
