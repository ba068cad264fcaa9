"""Running medians and the noise of a curve."""

from statistics import NormalDist

import pytest

from worker.engine.diagnosis.smoothing import Curve, noise, running_median


def test_a_spike_does_not_move_the_course() -> None:
    assert running_median([5, 4, 90, 2, 1], 3) == [5, 5, 4, 2, 2]


def test_the_ends_take_the_first_and_the_last_window() -> None:
    assert running_median([1, 2, 3, 4, 5, 6], 5) == [3, 3, 3, 4, 4, 4]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0]])
def test_short_curves_are_their_own_course(values: list[float]) -> None:
    curve = Curve("loss", values)
    assert len(curve.trend) == len(values)
    assert curve.noise == 0


@pytest.mark.parametrize(("epochs", "window"), [(2, 2), (5, 3), (39, 3), (50, 5), (1000, 25)])
def test_the_window_is_a_tenth_of_the_epochs(epochs: int, window: int) -> None:
    assert Curve("loss", [1.0] * epochs).window == window


def test_noise_is_the_standard_deviation_about_a_falling_line() -> None:
    strays = NormalDist(0, 0.2).samples(4000, seed=1)
    values = [3 - 0.01 * epoch + stray for epoch, stray in enumerate(strays)]
    assert noise(values) == pytest.approx(0.2, rel=0.05)


def test_a_line_with_one_jump_has_no_noise() -> None:
    line = [1 - 0.1 * epoch for epoch in range(20)] + [50.0] * 20
    assert noise(line) == pytest.approx(0, abs=1e-12)


def test_the_lowest_index_is_that_of_the_lowest_value() -> None:
    curve = Curve("loss", [9.0, 2.0, 5.0, 5.1, 6.0, 7.0, 8.0])
    assert curve.trend[0] == min(curve.trend) == 5
    assert curve.lowest_index == 1
