"""A comparison of jobs as it is printed."""

import io

from rich.console import Console

from ridgeline.api.comparison import ComparedJob, Comparison, Difference
from ridgeline.api.curves import Curves
from ridgeline.api.job import JobStatus
from ridgeline.api.report import Verdict
from ridgeline.cli.views.comparison import comparison_page, comparison_plot

ONE, TWO = "job_" + "a" * 32, "job_" + "b" * 32
COMPARISON = Comparison(
    jobs=(
        ComparedJob(
            id=ONE,
            name="plain",
            status=JobStatus.SUCCEEDED,
            verdict=Verdict.OVERFIT,
            metrics={"val_loss": 0.9, "val_data_loss": 0.9, "val_accuracy": 0.8},
        ),
        ComparedJob(
            id=TWO,
            name=None,
            status=JobStatus.RUNNING,
            verdict=None,
            metrics={"val_loss": 0.7, "val_data_loss": 0.5, "val_accuracy": 0.7},
        ),
    ),
    differences=(
        Difference(
            label="name", pointer="/name", pointers={ONE: "/name"}, values={ONE: "plain", TWO: None}
        ),
        Difference(
            label="Dropout after dense",
            pointer="/model/layers/1",
            pointers={TWO: "/model/layers/1"},
            values={TWO: {"type": "Dropout", "rate": 0.5}},
        ),
        Difference(
            label="training.epochs",
            pointer="/training/epochs",
            pointers={ONE: "/training/epochs"},
            values={ONE: 3, TWO: 4},
        ),
    ),
    differences_left_out=1,
    curves={
        job_id: Curves(
            job_id=job_id,
            complete=True,
            epoch=(1, 2),
            series={"data_loss": (1.0, 0.5), "val_data_loss": values},
            penalty_by_layer={},
            nonfinite={},
        )
        for job_id, values in {ONE: (1.0, 0.9), TWO: (1.0, 0.5)}.items()
    },
)
PAGE = """\
id        name   status     verdict
aaaaaaaa  plain  succeeded  overfit
bbbbbbbb         running    –

Differences between the specs
                     aaaaaaaa  bbbbbbbb
name                 "plain"   null
Dropout after dense  none      Dropout(rate=0.5)
training.epochs      3         4
and 1 difference more

Last epoch, or the one whose weights were kept
               aaaaaaaa  bbbbbbbb
val_loss            0.9       0.7
val_data_loss       0.9       0.5
val_accuracy        0.8       0.7
"""


def printed(comparison: Comparison, console: Console) -> str:
    console.print(*comparison_page(comparison), sep="\n")
    output = console.file
    assert isinstance(output, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines())


def test_page() -> None:
    assert printed(COMPARISON, Console(file=io.StringIO(), width=80)) == PAGE


def test_best_value_on_held_out_rows_is_bold() -> None:
    """Not of val_loss, which includes a penalty that the other job lacks."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, legacy_windows=False)
    lines = printed(COMPARISON, console).splitlines()[-3:]
    bold = [line.split("\x1b[1m")[1:] for line in lines]
    assert [["".join(part.split("\x1b")[0].split()) for part in parts] for parts in bold] == [
        *([], ["0.5"], ["0.8"])
    ]


def test_defaults_are_dim() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, legacy_windows=False)
    (line,) = [
        line for line in printed(COMPARISON, console).splitlines() if "training.epochs" in line
    ]
    set_in_spec, _, default = line.partition("\x1b[2m")
    assert ("3" in set_in_spec, default[:1]) == (True, "4")


def test_equal_specs_have_no_differences() -> None:
    same = COMPARISON.model_copy(update={"differences": (), "differences_left_out": 0})
    assert "\nNone.\n" in printed(same, Console(file=io.StringIO(), width=80))


def test_plot_shows_the_validation_curves() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(*comparison_plot(COMPARISON, "loss", console), sep="\n")
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[1] == "val_data_loss"
    assert lines[2].strip() == "• aaaaaaaa plain  × bbbbbbbb"


def test_unknown_measure_lists_those_available() -> None:
    (line,) = comparison_plot(COMPARISON, "accuracy", Console(file=io.StringIO()))
    assert line == "No job has measured accuracy; available: data_loss, val_data_loss."
