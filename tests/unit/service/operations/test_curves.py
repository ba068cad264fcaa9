"""Curves: thinned out without losing what matters, and as CSV."""

import csv
import io
import math
import tracemalloc
from typing import Any

import pytest

from ridgeline.contract.curves import Curves, EpochRow, columns
from service.operations import curves
from service.operations.curves import table_of, to_csv, to_json


def row(epoch: int, **values: float | None) -> EpochRow:
    return EpochRow(epoch=epoch, values=values, penalty_by_layer={}, seconds=0.1)


def noisy(epochs: int, series: int = 4) -> list[EpochRow]:
    return [
        row(
            epoch,
            **{f"s{number}": math.sin(7919 * epoch * (number + 1)) for number in range(series)},
        )
        for epoch in range(1, epochs + 1)
    ]


def thinned(rows: list[EpochRow], max_points: int | None) -> list[EpochRow]:
    """The rows that are kept."""
    kept = set(curves.thinned(table_of(texts(rows)), max_points).epoch)
    return [each for each in rows if each.epoch in kept]


def texts(rows: list[EpochRow]) -> list[str]:
    return [each.model_dump_json() for each in rows]


@pytest.mark.parametrize("max_points", [2, 3, 4, 5, 9, 10, 50, 99])
@pytest.mark.parametrize("series", [1, 4, 12])
def test_no_more_points_than_asked_for_and_both_ends(max_points: int, series: int) -> None:
    rows = noisy(1000, series)
    kept = thinned(rows, max_points)
    assert len(kept) <= max_points
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    assert [each.epoch for each in kept] == sorted({each.epoch for each in kept})


def test_the_extremes_of_every_bucket_are_kept() -> None:
    rows = [row(epoch, loss=1 / epoch, val_loss=1.0) for epoch in range(1, 1001)]
    rows[371] = row(372, loss=99.0, val_loss=1.0)
    rows[777] = row(778, loss=0.001, val_loss=-5.0)
    kept = {each.epoch for each in thinned(rows, 50)}
    assert {1, 372, 778, 1000} <= kept
    assert len(kept) > 25


def test_with_few_points_the_first_series_decides() -> None:
    rows = noisy(1000, 12)
    worst = max(rows, key=lambda each: each.values["s0"] or 0)
    assert worst in thinned(rows, 6)


@pytest.mark.parametrize("max_points", [None, 5, 100])
def test_few_epochs_stay_as_they_are(max_points: int | None) -> None:
    rows = noisy(5)
    assert thinned(rows, max_points) == rows
    assert thinned([], max_points) == []


def test_values_that_were_not_finite_disturb_nothing() -> None:
    rows = [row(epoch, loss=None if epoch > 50 else 1.0) for epoch in range(1, 101)]
    assert len(thinned(rows, 10)) <= 10


ROWS = [
    EpochRow(epoch=1, values={"loss": 0.5}, penalty_by_layer={"dense/kernel/l2": 0.125}, seconds=1),
    EpochRow(
        epoch=2,
        values={"loss": None, "val_loss": 1e-9},
        penalty_by_layer={"dense/kernel/l2": None},
        nonfinite=("loss", "dense/kernel/l2"),
        seconds=1,
    ),
]


def test_csv() -> None:
    text = to_csv(table_of(texts(ROWS)))
    assert text.endswith("\r\n")
    lines: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text)))
    assert lines == [
        {"epoch": "1", "loss": "0.5", "val_loss": "", "dense/kernel/l2": "0.125", "nonfinite": ""},
        {
            "epoch": "2",
            "loss": "",
            "val_loss": "1e-09",
            "dense/kernel/l2": "",
            "nonfinite": "loss dense/kernel/l2",
        },
    ]


def test_csv_of_no_epochs_is_a_header() -> None:
    assert to_csv(table_of([])) == "epoch,nonfinite\r\n"


@pytest.mark.parametrize("rows", [[], ROWS, ROWS[:1], noisy(50)])
def test_json_is_the_contracts(rows: list[EpochRow]) -> None:
    content = to_json(table_of(texts(rows)), "job", complete=True)
    assert Curves.model_validate_json(content) == columns("job", rows, complete=True)


def test_marks_of_rows_that_were_left_out_go_with_them() -> None:
    rows = [
        EpochRow(epoch=epoch, values={}, penalty_by_layer={}, nonfinite=("loss",), seconds=1)
        for epoch in range(1, 10)
    ]
    assert curves.thinned(table_of(texts(rows)), 2).nonfinite == {"loss": [1, 9]}


def test_a_long_job_takes_little_memory_and_time() -> None:
    """As objects, these rows took over a hundred megabytes."""
    text = (
        '{"epoch":%d,"values":{"loss":0.1,"val_loss":0.2,"accuracy":0.3,"penalty":0.4},'
        '"penalty_by_layer":{"a/kernel/l2":0.5},"nonfinite":["loss"],"seconds":0.1}'
    )
    tracemalloc.start()
    try:
        table = table_of(text % epoch for epoch in range(1, 30_001))
        assert len(to_json(curves.thinned(table, 100), "job", complete=True)) < 20_000
        to_csv(table)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 2**20
