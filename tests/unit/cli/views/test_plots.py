"""Plots of characters."""

import io

import pytest
from rich.console import Console

from ridgeline.api.curves import Curves
from ridgeline.cli.errors import UsageError
from ridgeline.cli.views.plots import PlotLine, PlotPanel, curves_plot, plotted


def drawn(*panels: PlotPanel, console: Console | None = None) -> list[str]:
    output = io.StringIO()
    to = console or Console(file=output, width=200)
    to.file = output
    to.print(*plotted(panels, to), sep="\n")
    return output.getvalue().splitlines()


def curves(**series: tuple[float | None, ...]) -> Curves:
    count = len(next(iter(series.values()), ()))
    return Curves(
        job_id="job_" + "0" * 32,
        complete=True,
        epoch=tuple(range(1, count + 1)),
        series=series,
        penalty_by_layer={},
        nonfinite={},
    )


def shown(curves: Curves, chart: str = "losses", *, logarithmic: bool = False) -> list[str]:
    output = io.StringIO()
    console = Console(file=output, width=200)
    console.print(*curves_plot(curves, chart, console, logarithmic=logarithmic), sep="\n")
    return output.getvalue().splitlines()


def test_axes_and_lines() -> None:
    falling = PlotLine("falling", range(1, 6), (5.0, 4.0, 3.0, 2.0, 1.0))
    lines = drawn(PlotPanel([falling], 8))
    assert lines[0].strip() == "• falling"
    assert lines[2].startswith("        5┤•")
    assert [line[:9].strip() for line in lines[2:-2] if line[:9].strip()] == [
        "5",
        "3.667",
        "2.333",
        "1",
    ]
    assert lines[-1].split() == ["1", "2", "3", "4", "5"]
    assert {len(line) for line in lines[1:-1]} == {80}


@pytest.mark.parametrize(
    "values", [(1.0,), (2.0, 2.0), (0.0, 0.0), (-1.0, -1.0), (None, None), (1e300, -1e300)]
)
def test_any_values_can_be_drawn(values: tuple[float | None, ...]) -> None:
    epochs = range(1, len(values) + 1)
    assert len(drawn(PlotPanel([PlotLine("x", epochs, values)], 8))) == 9
    assert len(drawn(PlotPanel([PlotLine("x", epochs, values)], 8, logarithmic=True))) == 9


def test_logarithmic_axis_leaves_out_values_that_are_not_positive() -> None:
    line = PlotLine("x", range(1, 5), (100.0, 1.0, 0.0, -1.0))
    lines = drawn(PlotPanel([line], 8, logarithmic=True))
    assert lines[0].endswith("(logarithmic)")
    assert lines[2].startswith("      100┤")
    assert lines[-3].startswith("        1┤")
    assert lines[-1].split() == ["1", "2"]


def test_colors_replace_marks_on_a_color_terminal() -> None:
    console = Console(force_terminal=True, width=100, color_system="256", legacy_windows=False)
    lines = drawn(PlotPanel([PlotLine("x", (1, 2), (1.0, 2.0))], 8), console=console)
    assert "\x1b[38;5;33m" in "".join(lines)
    assert "•" not in "".join(lines)


def test_penalty_has_a_panel_of_its_own() -> None:
    losses = {"data_loss": (3.0, 1.0), "val_data_loss": (3.0, 2.0), "loss": (4.0, 2.0)}
    lines = shown(curves(**losses, penalty=(1.0, 1.0)))
    legends = [line.strip() for line in lines if line.strip().startswith("•")]
    assert legends[0] == "• data_loss  × val_data_loss"
    assert "• penalty" in legends
    assert lines[-1] == "val_data_loss lowest at epoch 2: 2"
    without = shown(curves(**losses, penalty=(0.0, 0.0)))
    assert not any("penalty" in line for line in without)


def test_each_chart_shows_its_series() -> None:
    job = curves(loss=(1.0,), accuracy=(0.5,), val_accuracy=(0.4,), learning_rate=(0.1,))
    assert shown(job, "accuracy")[0].split() == ["•", "accuracy", "×", "val_accuracy"]
    assert shown(job, "learning_rate")[0].strip() == "• learning_rate"
    with pytest.raises(UsageError, match="--png"):
        shown(job, "weights")


def test_non_finite_values_are_reported() -> None:
    job = curves(data_loss=(1.0, None)).model_copy(update={"nonfinite": {"data_loss": (2,)}})
    assert shown(job)[-1] == "data_loss not finite from epoch 2 on"
