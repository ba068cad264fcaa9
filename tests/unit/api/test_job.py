"""The one table of transitions."""

import pytest

from ridgeline.api.job import HELD, TERMINAL, TRANSITIONS, JobStatus, can_become


def test_the_table_is_closed_over_the_states() -> None:
    assert set(TRANSITIONS) == set(JobStatus)
    assert frozenset().union(*TRANSITIONS.values()) <= set(JobStatus)


def test_nothing_becomes_itself() -> None:
    assert [status for status in JobStatus if can_become(status, status)] == []


def test_terminal_states_have_no_way_out_and_all_others_have() -> None:
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


def test_held_and_terminal_are_apart() -> None:
    assert not HELD & TERMINAL
    assert {status for status in JobStatus if status.held} == HELD
    assert {JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.PAUSING} == HELD


def test_only_a_claim_begins_to_hold() -> None:
    """A lease begins with the claim of a queued job and with nothing else."""
    begins = {
        (before, after)
        for before in set(JobStatus) - HELD
        for after in TRANSITIONS[before]
        if after in HELD
    }
    assert begins == {(JobStatus.QUEUED, JobStatus.RUNNING)}


def test_a_job_succeeds_only_while_it_is_held_and_not_told_to_stop() -> None:
    assert {status for status in JobStatus if can_become(status, JobStatus.SUCCEEDED)} == {
        JobStatus.RUNNING,
        JobStatus.PAUSING,
    }


def test_a_user_can_stop_whatever_has_not_ended() -> None:
    stops = {JobStatus.CANCELLED, JobStatus.CANCELLING}
    for status in set(JobStatus) - TERMINAL:
        assert TRANSITIONS[status] & stops


def test_a_stop_is_not_undone() -> None:
    assert TRANSITIONS[JobStatus.CANCELLING] == {JobStatus.CANCELLED, JobStatus.FAILED}


def reachable(start: JobStatus) -> set[JobStatus]:
    seen, waiting = {start}, [start]
    while waiting:
        after = TRANSITIONS[waiting.pop()] - seen
        seen |= after
        waiting += after
    return seen
