"""The estimate of the remaining time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.api.curves import EpochRow
from worker.supervision.hang_and_eta import RECENT, EtaEstimator


def row(epoch: int, seconds: float) -> EpochRow:
    return EpochRow(epoch=epoch, values={}, penalty_by_layer={}, seconds=seconds)


def after(seconds: list[float], epochs: int) -> float | None:
    estimator = EtaEstimator(epochs)
    for epoch, epoch_s in enumerate(seconds, start=1):
        estimator.epoch_ended(row(epoch, epoch_s))
    return estimator.eta_s


def test_no_estimate_before_the_first_epoch() -> None:
    assert after([], epochs=10) is None


def test_estimate_after_one_epoch_uses_it() -> None:
    assert after([2.0], epochs=10) == 18.0


def test_first_epoch_is_ignored_after_the_second() -> None:
    """It includes compilation."""
    assert after([9.0, 1.0], epochs=10) == 8.0


def test_only_recent_epochs_count() -> None:
    assert after([1.0] * 50 + [3.0] * RECENT, epochs=100) == pytest.approx(3.0 * (50 - RECENT))


def test_resumed_training_counts_only_its_own_epochs() -> None:
    estimator = EtaEstimator(10)
    estimator.resumed(6)
    etas = [estimator.eta_s]
    for epoch, seconds in ((7, 5.0), (8, 1.0)):  # the first includes compilation
        estimator.epoch_ended(row(epoch, seconds))
        etas.append(estimator.eta_s)
    assert etas == [None, 15.0, 2.0]


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=30))
def test_estimate_is_zero_after_the_last_epoch(seconds: list[float]) -> None:
    assert after(seconds, epochs=len(seconds)) == 0.0
