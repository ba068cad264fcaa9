"""The table of transitions."""

import pytest

from ridgeline.api.job import HELD, TERMINAL, TRANSITIONS, JobStatus, can_become


def test_the_table_is_closed_over_the_states() -> None:
    assert set(TRANSITIONS) == set(JobStatus)
    assert frozenset().union(*TRANSITIONS.values()) <= set(JobStatus)


def test_nothing_becomes_itself() -> None:
    assert [status for status in JobStatus if can_become(status, status)] == []


def test_only_terminal_states_have_no_transition() -> None:
    assert {status for status, after in TRANSITIONS.items() if not after} == TERMINAL
    assert {status for status in JobStatus if status.terminal} == TERMINAL
    assert {
        JobStatus.SUCCEEDED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    } == TERMINAL


@pytest.mark.parametrize("start", JobStatus)
def test_every_job_can_end(start: JobStatus) -> None:
    assert reachable(start) & TERMINAL


def test_every_state_is_reached_from_queued() -> None:
    assert reachable(JobStatus.QUEUED) == set(JobStatus)


def test_held_and_terminal_states_are_disjoint() -> None:
    assert not HELD & TERMINAL
    assert {status for status in JobStatus if status.held} == HELD
    assert {JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.PAUSING} == HELD


def test_a_lease_begins_only_when_a_queued_job_is_claimed() -> None:
    begins = {
        (before, after)
        for before in set(JobStatus) - HELD
        for after in TRANSITIONS[before]
        if after in HELD
    }
    assert begins == {(JobStatus.QUEUED, JobStatus.RUNNING)}


def test_a_job_succeeds_only_while_it_is_held_and_not_cancelling() -> None:
    assert {status for status in JobStatus if can_become(status, JobStatus.SUCCEEDED)} == {
        JobStatus.RUNNING,
        JobStatus.PAUSING,
    }


def test_a_job_that_has_not_ended_can_be_cancelled() -> None:
    stops = {JobStatus.CANCELLED, JobStatus.CANCELLING}
    for status in set(JobStatus) - TERMINAL:
        assert TRANSITIONS[status] & stops


def test_a_cancellation_is_not_undone() -> None:
    assert TRANSITIONS[JobStatus.CANCELLING] == {JobStatus.CANCELLED, JobStatus.FAILED}


def reachable(start: JobStatus) -> set[JobStatus]:
    seen, waiting = {start}, [start]
    while waiting:
        after = TRANSITIONS[waiting.pop()] - seen
        seen |= after
        waiting += after
    return seen
