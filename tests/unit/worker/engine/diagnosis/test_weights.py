"""The weight report against NumPy on weights made for it."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from worker.engine.diagnosis.weights import BINS, TrainedWeight, report_weight, report_weights

RNG = np.random.default_rng(3)


def kernel(*shape: int) -> npt.NDArray[np.float32]:
    return RNG.normal(0, 0.1, shape).astype(np.float32)


def weight(values: npt.NDArray[Any], **options: Any) -> TrainedWeight:
    return TrainedWeight("dense", "kernel", values, **options)


@pytest.mark.parametrize("shape", [(7, 5), (3, 3, 4, 6), (2, 5, 1)])
def test_norms(shape: tuple[int, ...]) -> None:
    values = kernel(*shape)
    report = report_weight(weight(values), 0.1)
    columns = values.reshape(-1, shape[-1])
    assert (report.shape, report.size, report.units) == (shape, values.size, shape[-1])
    assert report.l1_norm == pytest.approx(float(np.abs(values).sum()))
    assert report.l2_norm == pytest.approx(float(np.linalg.norm(values)))
    assert report.max_unit_norm == pytest.approx(float(np.linalg.norm(columns, axis=0).max()))


def test_norms_of_what_a_squared_float32_does_not_hold() -> None:
    report = report_weight(weight(np.full((2, 2), 3e30, np.float32)), 0.1)
    assert report.l2_norm == pytest.approx(6e30)
    tiny = report_weight(weight(np.full((2, 2), 3e-30, np.float32)), 0.1)
    assert tiny.l2_norm == pytest.approx(6e-30)


def test_zeros_and_cancelled_units() -> None:
    values = kernel(100, 8)
    values[:, 2] = 0
    values[:, 5] = 1e-6
    values[:, 6] = 0
    values[0, 6] = 1e-6
    values[:50, 7] = 0
    report = report_weight(weight(values), 0.1)
    assert report.zero_share == pytest.approx(np.mean(values == 0))
    assert (report.cancelled_units, report.negligible_units) == (1, 3)
    usual = max(math.sqrt(float(np.mean(values**2))), math.sqrt(2 / 108))
    near = np.abs(values) <= 0.01 * usual
    assert report.nearly_zero_share == pytest.approx(np.mean(near))
    assert report.nearly_zero_share > report.zero_share


def test_a_kernel_that_was_shrunk_as_a_whole_is_nearly_zero() -> None:
    """Beside each other its elements are of usual size; beside a fresh kernel's they are not."""
    report = report_weight(weight(kernel(20, 10) * np.float32(1e-4)), 0.1)
    assert (report.nearly_zero_share, report.negligible_units) == (1.0, 10)
    assert (report.zero_share, report.cancelled_units) == (0.0, 0)


def test_all_zeros() -> None:
    report = report_weight(weight(np.zeros((3, 4), np.float32)), 0.1)
    assert (report.zero_share, report.nearly_zero_share) == (1.0, 1.0)
    assert (report.cancelled_units, report.negligible_units) == (4, 4)
    assert (report.l1_norm, report.l2_norm, report.max_unit_norm) == (0, 0, 0)


@pytest.mark.parametrize("shape", [(6,), ()])
def test_a_bias_has_no_units(shape: tuple[int, ...]) -> None:
    report = report_weight(weight(np.ones(shape, np.float32)), 0.1)
    assert (report.units, report.cancelled_units, report.negligible_units) == (None, None, None)
    assert report.max_unit_norm is None
    assert report.nearly_zero_share == 0


def test_an_empty_weight() -> None:
    report = report_weight(weight(np.zeros((0, 4), np.float32)), 0.1)
    assert (report.size, report.units, report.histogram) == (0, None, None)


def test_histogram() -> None:
    values = kernel(40, 30)
    found = report_weight(weight(values), 0.1).histogram
    assert found is not None
    counts, edges = np.histogram(values.astype(np.float64), bins=BINS)
    assert found.counts == tuple(counts)
    np.testing.assert_allclose(found.edges, edges, rtol=1e-6)
    assert sum(found.counts) == values.size


@pytest.mark.parametrize("value", [0.0, 0.3, -3e30])
def test_the_histogram_of_one_value(value: float) -> None:
    found = report_weight(weight(np.full((3, 4), value, np.float32)), 0.1).histogram
    assert found is not None
    assert sum(found.counts) == max(found.counts) == 12
    assert found.edges[0] < value < found.edges[-1]


@pytest.mark.parametrize(
    ("options", "factor", "step"),
    [
        ({"penalties": {"l2": 0.02}}, 0.004, 0.0),
        ({"penalties": {"l1": 0.02}}, 0.0, 0.002),
        ({"penalties": {"l1": 0.5, "l2": 0.02}, "weight_decay": 0.3}, 0.034, 0.05),
    ],
)
def test_shrinkage_is_one_step_of_gradient_descent(
    options: dict[str, Any], factor: float, step: float
) -> None:
    found = report_weight(weight(kernel(2, 2), **options), 0.1).shrinkage
    assert found is not None
    assert found.factor == pytest.approx(factor)
    assert found.step == pytest.approx(step)


def test_nothing_shrinks_what_nothing_acts_on() -> None:
    assert report_weight(weight(kernel(2, 2)), 0.1).shrinkage is None


def test_weights_that_are_not_finite_are_named() -> None:
    broken = TrainedWeight("dense_1", "kernel", np.array([[1.0, np.nan]], np.float32))
    found = report_weights([weight(kernel(2, 2)), broken], 0.1)
    assert [each.layer for each in found.weights] == ["dense"]
    assert found.nonfinite == ("dense_1/kernel",)


def test_the_smallest_weights_go_without_a_histogram() -> None:
    weights = [TrainedWeight(f"layer_{size}", "bias", np.ones(size)) for size in (3, 9, 1, 5)]
    found = report_weights(weights, 0.1, most_histograms=2)
    drawn = [each.layer for each in found.weights if each.histogram is not None]
    assert drawn == ["layer_9", "layer_5"]
    assert found.histograms_left_out == 2
