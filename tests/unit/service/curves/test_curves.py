"""Curves as JSON and as CSV."""

import csv
import io
import math
import tracemalloc
from typing import Any

import pytest

from ridgeline.api.curves import Curves, EpochRow, columns
from service.curves.rules import table_of, to_csv, to_json


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


def texts(rows: list[EpochRow]) -> list[str]:
    return [each.model_dump_json() for each in rows]


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


def test_csv_has_a_line_per_epoch_and_marks() -> None:
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
def test_json_fits_the_model(rows: list[EpochRow]) -> None:
    content = to_json(table_of(texts(rows)), "job", complete=True)
    assert Curves.model_validate_json(content) == columns("job", rows, complete=True)


def test_a_long_job_takes_little_memory_and_time() -> None:
    """As objects, these rows would take over a hundred megabytes."""
    text = (
        '{"epoch":%d,"values":{"loss":0.1,"val_loss":0.2,"accuracy":0.3,"penalty":0.4},'
        '"penalty_by_layer":{"a/kernel/l2":0.5},"nonfinite":["loss"],"seconds":0.1}'
    )
    tracemalloc.start()
    try:
        table = table_of(text % epoch for epoch in range(1, 30_001))
        to_json(table, "job", complete=True)
        to_csv(table)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 2**20
