"""What counts as progress, and after how long without it a trainer hangs."""

import pytest

from worker.supervision.progress import Progress

LIMIT_S, FLOOR_S, LOOK_S = 3600.0, 300.0, 20.0


class Clock:
    """Moves when told to, and looks at the progress on the way as a supervisor does."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.progress = Progress(LIMIT_S, FLOOR_S, LOOK_S, clock=lambda: self.now)

    def watch(self, seconds: float) -> float:
        """Look every ten seconds; returns the idle time after `seconds`."""
        while seconds > 0:
            step = min(seconds, 10.0)
            self.now += step
            seconds -= step
            self.progress.idle_s()
        return self.progress.idle_s()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return clock.progress


def test_nothing_measured_leaves_the_whole_limit(progress: Progress) -> None:
    assert progress.limit_s == LIMIT_S
    progress.entered("training")
    assert progress.limit_s == LIMIT_S


@pytest.mark.parametrize(
    ("epoch_s", "limit_s"),
    [(0.01, FLOOR_S), (15.0, FLOOR_S), (16.0, 320.0), (100.0, 2000.0), (180.0, 3600.0)],
)
def test_epochs_that_were_measured_shorten_it(
    clock: Clock, progress: Progress, epoch_s: float, limit_s: float
) -> None:
    progress.entered("training")
    clock.watch(epoch_s)
    progress.epoch_ended(1)
    assert progress.limit_s == pytest.approx(limit_s)


def test_it_is_never_longer_than_the_setting(clock: Clock, progress: Progress) -> None:
    progress.entered("training")
    clock.watch(1000)
    progress.epoch_ended(1)
    assert progress.limit_s == LIMIT_S


def test_the_slowest_epoch_counts_not_the_last(clock: Clock, progress: Progress) -> None:
    for epoch, seconds in enumerate((50, 1, 1), start=1):
        clock.watch(seconds)
        progress.epoch_ended(epoch)
    assert progress.limit_s == 1000


def test_what_comes_after_the_epochs_has_room(clock: Clock, progress: Progress) -> None:
    progress.entered("training")
    clock.watch(1)
    progress.epoch_ended(1)
    for phase in ("measuring", "exporting keras", "exporting onnx"):
        clock.watch(200)
        progress.entered(phase)
        assert (progress.idle_s(), progress.limit_s, progress.phase) == (0, LIMIT_S, phase)


def test_only_what_is_new_is_progress(clock: Clock, progress: Progress) -> None:
    progress.entered("preparing")
    progress.entered("training")
    progress.resumed(3)
    clock.watch(30)
    progress.resumed(3)
    progress.epoch_ended(3)
    progress.entered("training")
    progress.entered("preparing")
    assert progress.idle_s() == 30
    progress.epoch_ended(4)
    assert progress.idle_s() == 0


def test_a_process_that_was_stopped_blames_nobody(clock: Clock, progress: Progress) -> None:
    """SIGSTOP takes worker and trainer alike, and a sleeping machine both."""
    clock.watch(30)
    clock.now += 100_000
    assert progress.idle_s() == 30 + LOOK_S
