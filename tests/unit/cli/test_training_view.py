"""The losses on the screen."""

import io

from rich.console import Console

from ridgeline.cli.training_view import COLUMNS, TrainingView
from ridgeline.contract.curves import EpochRow, columns


def _rows(epochs: int, loss: float | None = 0.5) -> list[EpochRow]:
    values: dict[str, float | None] = dict.fromkeys(COLUMNS, loss)
    return [
        EpochRow(epoch=epoch, values=values, penalty_by_layer={}, seconds=0.1)
        for epoch in range(1, epochs + 1)
    ]


def _shown(*epochs: int, loss: float | None = 0.5) -> list[str]:
    output = io.StringIO()
    with TrainingView(Console(file=output, width=100)) as view:
        for epoch in epochs:
            view.show("running", 12, columns("job", _rows(epoch, loss), complete=False))
    return output.getvalue().splitlines()


def test_prints_each_row_once_whatever_the_pace() -> None:
    slow = _shown(0, *range(1, 13))
    assert slow[0].split() == ["epoch", *COLUMNS]
    assert [line.split()[0] for line in slow[1:]] == ["1", "5", "10", "12"]
    assert slow[1].split() == ["1", *["0.5000"] * len(COLUMNS)]
    assert _shown(12) == _shown(3, 7, 7, 12) == slow


def test_a_value_that_was_not_finite_is_a_dash() -> None:
    assert _shown(1, loss=None)[1].split() == ["1", *["–"] * len(COLUMNS)]


def test_shows_a_bar_on_a_terminal() -> None:
    output = io.StringIO()
    console = Console(file=output, width=120, force_terminal=True, legacy_windows=False)
    with TrainingView(console) as view:
        view.show("running", 12, columns("job", _rows(3), complete=False))
    assert "epoch 3/12" in output.getvalue()
    assert "val_data_loss 0.5000" in output.getvalue()
