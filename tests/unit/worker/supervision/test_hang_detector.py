"""What counts as progress, and how long without it is a hang."""

import pytest

from worker.supervision.hang_and_eta import HangDetector

LIMIT_S, FLOOR_S, LOOK_S = 3600.0, 300.0, 20.0


class Clock:
    """A manual clock that polls the detector while it moves, as a supervisor does."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.detector = HangDetector(LIMIT_S, FLOOR_S, LOOK_S, clock=lambda: self.now)

    def watch(self, seconds: float) -> float:
        """Poll every ten seconds; return the idle time after `seconds`."""
        while seconds > 0:
            step = min(seconds, 10.0)
            self.now += step
            seconds -= step
            self.detector.idle_s()
        return self.detector.idle_s()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def detector(clock: Clock) -> HangDetector:
    return clock.detector


def test_limit_is_the_setting_before_the_first_epoch(detector: HangDetector) -> None:
    assert detector.limit_s == LIMIT_S
    detector.entered("training")
    assert detector.limit_s == LIMIT_S


@pytest.mark.parametrize(
    ("epoch_s", "limit_s"),
    [(0.01, FLOOR_S), (15.0, FLOOR_S), (16.0, 320.0), (100.0, 2000.0), (180.0, 3600.0)],
)
def test_measured_epochs_shorten_the_limit(
    clock: Clock, detector: HangDetector, epoch_s: float, limit_s: float
) -> None:
    detector.entered("training")
    clock.watch(epoch_s)
    detector.epoch_ended(1)
    assert detector.limit_s == pytest.approx(limit_s)


def test_limit_never_exceeds_the_setting(clock: Clock, detector: HangDetector) -> None:
    detector.entered("training")
    clock.watch(1000)
    detector.epoch_ended(1)
    assert detector.limit_s == LIMIT_S


def test_slowest_epoch_sets_the_limit(clock: Clock, detector: HangDetector) -> None:
    for epoch, seconds in enumerate((50, 1, 1), start=1):
        clock.watch(seconds)
        detector.epoch_ended(epoch)
    assert detector.limit_s == 1000


def test_phases_after_the_epochs_get_the_whole_limit(clock: Clock, detector: HangDetector) -> None:
    detector.entered("training")
    clock.watch(1)
    detector.epoch_ended(1)
    for phase in ("measuring", "exporting keras", "exporting onnx"):
        clock.watch(200)
        detector.entered(phase)
        assert (detector.idle_s(), detector.limit_s, detector.phase) == (0, LIMIT_S, phase)


def test_repeated_phases_and_epochs_are_no_progress(clock: Clock, detector: HangDetector) -> None:
    detector.entered("preparing")
    detector.entered("training")
    detector.resumed(3)
    clock.watch(30)
    detector.resumed(3)
    detector.epoch_ended(3)
    detector.entered("training")
    detector.entered("preparing")
    assert detector.idle_s() == 30
    detector.epoch_ended(4)
    assert detector.idle_s() == 0


def test_time_in_which_the_worker_was_stopped_does_not_count(
    clock: Clock, detector: HangDetector
) -> None:
    """SIGSTOP or a sleeping machine stops the worker and its trainer alike."""
    clock.watch(30)
    clock.now += 100_000
    assert detector.idle_s() == 30 + LOOK_S
