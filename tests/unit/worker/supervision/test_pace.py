"""The estimate of what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.api.curves import EpochRow
from worker.supervision.progress import RECENT, Pace


def row(epoch: int, seconds: float) -> EpochRow:
    return EpochRow(epoch=epoch, values={}, penalty_by_layer={}, seconds=seconds)


def after(seconds: list[float], epochs: int) -> float | None:
    pace = Pace(epochs)
    for epoch, taken in enumerate(seconds, start=1):
        pace.took(row(epoch, taken))
    return pace.eta_s


def test_nothing_is_known_before_the_first_epoch() -> None:
    assert after([], epochs=10) is None


def test_first_epoch_is_all_there_is() -> None:
    assert after([2.0], epochs=10) == 18.0


def test_first_epoch_is_forgotten_after_the_second() -> None:
    """It holds the compilation."""
    assert after([9.0, 1.0], epochs=10) == 8.0


def test_old_epochs_are_forgotten() -> None:
    assert after([1.0] * 50 + [3.0] * RECENT, epochs=100) == pytest.approx(3.0 * (50 - RECENT))


def test_a_resumed_training_counts_its_own_epochs_alone() -> None:
    pace = Pace(10)
    pace.resumed(6)
    etas = [pace.eta_s]
    for epoch, seconds in ((7, 5.0), (8, 1.0)):  # the first holds the compilation
        pace.took(row(epoch, seconds))
        etas.append(pace.eta_s)
    assert etas == [None, 15.0, 2.0]


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=30))
def test_it_ends_at_zero(seconds: list[float]) -> None:
    assert after(seconds, epochs=len(seconds)) == 0.0
