"""The checker detects every kind of violation in forged evidence."""

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
    change_event,
    change_losses,
    combine,
    download,
    drop_events,
    end_attempt,
    epochs,
    file,
    lost,
    move_attempt,
    repeat_event,
    spoiled,
    with_history,
)
from tests.chaos.spoiling import with_record as row

Forge = Callable[[], Evidence]


def payload(epoch: int) -> str:
    """The payload of an epoch event."""
    return forgery.resumed().epochs[epoch - 1].model_dump_json()


def broken(evidence: Evidence) -> set[str]:
    return {verdict.guarantee.number for verdict in check(evidence) if verdict.violations}


def test_sound_evidence_breaks_no_guarantee_and_every_guarantee_is_checked() -> None:
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
    "an acknowledged job is a different one": (
        lambda: spoiled(POISON, row(name="other fault=nan always=1")),
        {"1", "3a"},
    ),
    "a job waits forever": (
        lambda: spoiled(
            POISON, combine(row(status=JobStatus.QUEUED, finished_at=None), drop_events(21, 22))
        ),
        {"2", "10"},
    ),
    "a job runs forever": (
        lambda: spoiled(
            POISON, combine(row(status=JobStatus.RUNNING, finished_at=None), drop_events(22))
        ),
        {"2", "10"},
    ),
    "a job crashes forever": (lambda: spoiled(POISON, row(crash_count=4)), {"2"}),
    "a key makes two jobs": (lambda: another_job(forgery.resumed()), {"3a"}),
    "a POST makes two jobs": (lambda: another_job(forgery.poison()), {"3a"}),
    "a job succeeds twice": (lambda: spoiled(RESUMED, repeat_event(11, 12)), {"3b", "4a"}),
    "a job succeeds without files": (lambda: spoiled(RESUMED, row(artifacts=())), {"3b", "6"}),
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
    "a transition is missing": (lambda: spoiled(RESUMED, drop_events(6)), {"4a"}),
    "the first event is missing": (lambda: spoiled(POISON, drop_events(20)), {"4a"}),
    "the row differs from the last event": (
        lambda: spoiled(POISON, change_event(22, after=JobStatus.CANCELLED)),
        {"4a"},
    ),
    "the fence decreases": (lambda: spoiled(RESUMED, change_event(9, fence=1)), {"4a"}),
    "an epoch comes after the end": (lambda: spoiled(RESUMED, repeat_event(10, 12)), {"4a", "9"}),
    "an ended job was read with another status": (
        lambda: with_history(entry("reader", "read", 20, job=RESUMED, code=200, status="failed")),
        {"4b"},
    ),
    "a dead worker is detected too late": (lambda: spoiled(RESUMED, move_attempt(1, 11)), {"5a"}),
    "two epochs are lost": (
        lambda: spoiled(RESUMED, change_event(8, payload=payload(2))),
        {"5b", "9"},
    ),
    "an attempt fails without a fault": (lambda: with_history(without="worker-0"), {"5c"}),
    "an attempt fails because of the database": (
        lambda: with_history(
            entry("nemesis", "kill postgresql", 4, 5, pid=1, target=Target.POSTGRESQL),
            without="worker-0",
        ),
        {"5c"},
    ),
    "a drain is penalized": (
        lambda: spoiled(RESUMED, end_attempt(2, AttemptReason.CRASHED)),
        {"5d"},
    ),
    "the weights differ": (
        lambda: spoiled(RESUMED, combine(file(sha256="0" * 64), download("0" * 64))),
        {"6"},
    ),
    "the losses differ": (lambda: spoiled(RESUMED, change_losses), {"6"}),
    "a file is damaged": (lambda: spoiled(RESUMED, download("0" * 64)), {"7"}),
    "a file is gone": (lambda: spoiled(RESUMED, download(None)), {"7"}),
    "a file was damaged temporarily": (
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
    "cancel takes forever": (
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
            combine(
                row(status=JobStatus.FAILED, artifacts=(), reason_code=EndCode.CRASH_LOOP),
                change_event(11, after=JobStatus.FAILED),
            ),
        ),
        {"4b", "11b"},
    ),
    "a response is an internal error": (
        lambda: with_history(entry("client-0", "read", 5, job=RESUMED, code=500, status="running")),
        {"12"},
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_checker_detects_the_violation(name: str) -> None:
    forge, numbers = FORGERIES[name]
    assert broken(forge()) == numbers


def test_every_guarantee_has_a_forgery_that_breaks_it() -> None:
    broken_numbers = set().union(*(numbers for _, numbers in FORGERIES.values()))
    assert {verdict.guarantee.number for verdict in check(forgery.sound())} == broken_numbers


@pytest.mark.parametrize(
    ("target", "is_blinded"), [(Target.API, True), (Target.POSTGRESQL, True), (Target.REDIS, False)]
)
def test_late_detection_is_allowed_while_detection_is_impossible(
    target: Target, is_blinded: bool
) -> None:
    late = spoiled(RESUMED, move_attempt(1, 15))
    blow = entry("nemesis", f"kill {target}", 5, 9, pid=1, target=target)
    evidence = replace(late, history=(*late.history, blow))
    assert ("5a" in broken(evidence)) is not is_blinded


def test_cancelling_job_may_fail_by_itself() -> None:
    cancel = entry("client-0", "cancel", 1, job=POISON, code=202, status="cancelling")
    assert broken(with_history(cancel)) == set()


def test_death_of_another_worker_does_not_excuse_a_crash() -> None:
    evidence = with_history(
        entry("nemesis", "kill worker-1", 4, 5, pid=FIRST + 1, target=Target.WORKER),
        without="worker-0",
    )
    assert "5c" in broken(evidence)


def test_report_counts_violations_and_prints_the_story() -> None:
    evidence = spoiled(RESUMED, download("0" * 64))
    text = "\n".join(report(check(evidence), evidence))
    assert "| 7 | a download has the recorded SHA-256 or fails | 3 | 1 |" in text
    assert "7 broken by job_resumed: model.keras differs from its recorded SHA-256" in text
    assert "nemesis: kill worker-0 ok" in text
    assert "running → succeeded" in text
    assert "\n".join(report(check(forgery.sound()), forgery.sound())).count("broken by") == 0
