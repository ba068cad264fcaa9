"""A worker without a broker looks for queued jobs itself."""

from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from ridgeline.storage import DatabaseUnavailable
from worker import program
from worker.drain import Drain
from worker.slots.slots import Slot, SlotPool


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "WATCH_S", 0.0)


class Leases:
    """Answers in turn, and then starts the drain."""

    def __init__(self, drain: Drain, *answers: bool | Exception) -> None:
        self._drain = drain
        self._answers: Iterator[bool | Exception] = iter(answers)

    def any_claimable(self) -> bool:
        answer = next(self._answers, None)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            self._drain.start()
        return bool(answer)


def _wakes(*answers: bool | Exception) -> int:
    """How often the dispatcher is woken for these answers of the database."""
    drain, dispatcher, slots = Drain(), Mock(), SlotPool([Slot("cpu:0", "-1")])
    program._watch_queue(Leases(drain, *answers), slots, dispatcher, drain)  # type: ignore[arg-type]
    return int(dispatcher.wake.call_count)


def test_queued_job_wakes_the_dispatcher() -> None:
    assert _wakes(False, True, False, True) == 2


def test_database_that_is_away_is_left_to_the_dispatcher_to_report() -> None:
    with capture_logs() as logs:
        assert _wakes(DatabaseUnavailable("away"), True) == 1
    assert logs == []


def test_unexpected_error_does_not_end_the_worker() -> None:
    with capture_logs() as logs:
        assert _wakes(RuntimeError("a bug"), True) == 1
    assert [line["event"] for line in logs] == ["poll_failed"]


def test_database_is_not_asked_while_every_slot_is_busy() -> None:
    leases, slots = Mock(), SlotPool([Slot("cpu:0", "-1")])
    slots.acquire(polled=True)
    waits = iter([False, False, True])
    drain = Mock(wait=lambda _: next(waits))
    program._watch_queue(leases, slots, Mock(), drain)
    leases.any_claimable.assert_not_called()
