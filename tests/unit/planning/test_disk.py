"""The disk space of an attempt, in closed form."""

from typing import Any

import pytest

from ridgeline.planning.disk import disk_need
from ridgeline.planning.resolve import resolve

WIDE = [{"type": "Dense", "units": 1000}, {"type": "Dense", "units": 10, "activation": "softmax"}]
PARAMETERS = 64 * 1000 + 1000 + 1000 * 10 + 10
MODEL = 4 * PARAMETERS
MARGIN = 2**16
ROWS = 1797


@pytest.fixture
def need(make_spec: Any) -> Any:
    def of(training: Any = None, **sections: Any) -> Any:
        return disk_need(resolve(make_spec(training, model={"layers": WIDE}, **sections)).spec)

    return of


@pytest.mark.parametrize(
    ("outputs", "models", "files"),
    [
        (["keras"], 3, 1),  # Adam has two slots
        (["weights"], 3, 1),
        (["saved_model"], 2, 2),
        (["litert"], 1, 1),
        (["onnx"], 1, 1),
        (["keras", "onnx"], 4, 2),
    ],
)
def test_files_of_every_output(need: Any, outputs: list[str], models: int, files: int) -> None:
    expected = models * MODEL + (files + 1) * MARGIN + 8 * ROWS
    assert need({"optimizer": {"name": "adam"}}, outputs=outputs).files == expected


def test_streamed_rows_are_files_too(need: Any) -> None:
    dataset = {"source": "builtin", "name": "digits"}
    held, streamed = (need(dataset={**dataset, "loading": how}) for how in ("memory", "stream"))
    assert streamed.files - held.files == ROWS * 64 * 4


STOP = {"early_stopping": {"restore_best_weights": True}}
FORGET = {"early_stopping": {"restore_best_weights": False}}
RAISE = {"weights": {"l2": 0.001, "raise_on_overfit": {"to": 0.01, "step": 0.001}}}


@pytest.mark.parametrize(
    ("training", "regularization", "sets"),
    [({}, {}, 1), (FORGET, {}, 1), (STOP, {}, 2), ({}, RAISE, 2), (STOP, RAISE, 3)],
)
def test_checkpoints_with_best_weights(
    need: Any, training: Any, regularization: Any, sets: int
) -> None:
    """Three at a time, each with the best weights to restore."""
    split = {"validation": 0.2}
    disk = need(
        {"optimizer": {"name": "sgd"}, **training}, regularization=regularization, split=split
    )
    assert disk.checkpoints == 3 * (sets * MODEL + MARGIN)
