"""Rows become columns of equal length."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ridgeline.api.curves import Curves, EpochRow, columns


def row(epoch: int, **fields: Any) -> EpochRow:
    defaults: dict[str, Any] = {"values": {}, "penalty_by_layer": {}, "seconds": 1.0}
    return EpochRow(epoch=epoch, **(defaults | fields))


def test_a_value_that_a_row_lacks_is_null_in_its_column() -> None:
    rows = [
        row(1, values={"loss": 3.0, "data_loss": 2.0}, penalty_by_layer={"dense/kernel/l2": 1.0}),
        row(2, values={"loss": 2.0, "val_loss": 4.0}, penalty_by_layer={"dense/kernel/l2": 0.5}),
        row(4, values={"loss": None, "val_loss": None}, nonfinite=("loss",)),
        row(5, values={"loss": None}, nonfinite=("loss", "val_loss")),
    ]
    assert columns("job_1", rows, complete=True) == Curves(
        job_id="job_1",
        complete=True,
        epoch=(1, 2, 4, 5),
        series={
            "loss": (3.0, 2.0, None, None),
            "data_loss": (2.0, None, None, None),
            "val_loss": (None, 4.0, None, None),
        },
        penalty_by_layer={"dense/kernel/l2": (1.0, 0.5, None, None)},
        nonfinite={"loss": (4, 5), "val_loss": (5,)},
    )


def test_series_keep_their_order_of_appearance() -> None:
    curves = columns(
        "job_1", [row(1, values={"b": 1.0}), row(2, values={"a": 1.0, "b": 2.0})], complete=False
    )
    assert list(curves.series) == ["b", "a"]


def test_no_rows_give_empty_columns() -> None:
    empty = columns("job_1", [], complete=False)
    assert (empty.epoch, empty.series, empty.penalty_by_layer, empty.nonfinite) == ((), {}, {}, {})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_rejected(value: float) -> None:
    """JSON has no such value; it is reported as null and listed in `nonfinite`."""
    with pytest.raises(ValidationError):
        row(1, values={"loss": value})


NAMES = st.sampled_from(["loss", "val_loss", "penalty", "accuracy"])
VALUES = st.dictionaries(NAMES, st.none() | st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.tuples(VALUES, VALUES, st.lists(NAMES, unique=True)), max_size=6))
def test_every_value_is_in_its_column(measured: list[Any]) -> None:
    rows = [
        row(number, values=values, penalty_by_layer=terms, nonfinite=tuple(marked))
        for number, (values, terms, marked) in enumerate(measured, start=1)
    ]
    curves = columns("job_1", rows, complete=True)
    for series in (curves.series, curves.penalty_by_layer):
        assert all(len(column) == len(rows) for column in series.values())
    for index, epoch in enumerate(rows):
        assert {name: curves.series[name][index] for name in epoch.values} == epoch.values
        assert {
            name: curves.penalty_by_layer[name][index] for name in epoch.penalty_by_layer
        } == epoch.penalty_by_layer
        assert {name for name, at in curves.nonfinite.items() if epoch.epoch in at} == set(
            epoch.nonfinite
        )
    assert Curves.model_validate_json(curves.model_dump_json()) == curves


def test_columns_make_a_data_frame() -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas, which the project does not")
    rows = [
        row(1, values={"loss": 3.0}, penalty_by_layer={"dense/kernel/l2": 1.0}),
        row(2, values={"loss": None}, penalty_by_layer={"dense/kernel/l2": 0.5}),
    ]
    curves = columns("job_1", rows, complete=True)
    frame = pandas.DataFrame(curves.to_dict()).set_index("epoch")
    assert list(frame.columns) == ["loss", "penalty/dense/kernel/l2"]
    assert frame["penalty/dense/kernel/l2"].tolist() == [1.0, 0.5]
    assert frame["loss"].isna().tolist() == [False, True]
    assert pandas.DataFrame(curves.series, index=curves.epoch)["loss"][1] == 3.0
