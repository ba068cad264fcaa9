"""A report as it is printed."""

import io

from rich.console import Console

from ridgeline.api.report import (
    Environment,
    Evidence,
    PenaltyShare,
    Raise,
    Report,
    Shrinkage,
    Suggestion,
    Verdict,
    WeightReport,
)
from ridgeline.cli.views.report import report_page
from ridgeline.spec.job_spec import PatchOperation

REPORT = Report(
    verdict=Verdict.OVERFIT,
    evidence=(
        Evidence(
            id="large-gap",
            message="val_data_loss, 0.9, less train_data_loss, 0.1, is a gap of 0.8, 35% of the"
            " 2.3 a constant prediction gives.",
            series=("val_data_loss", "train_data_loss"),
            epochs=(30,),
        ),
    ),
    epochs=30,
    best_epoch=12,
    gap=0.8,
    gap_share=0.348,
    reference=2.3,
    baseline=2.3,
    losses={"loss": 0.15, "data_loss": 0.1, "penalty": 0.05, "val_data_loss": 0.9, "gap": None},
    penalty_share=1 / 3,
    penalties=(PenaltyShare(layer="dense", weight="kernel", kind="l2", value=0.05, share=1 / 3),),
    weights=(
        WeightReport(
            layer="dense",
            name="kernel",
            shape=(4, 3),
            size=12,
            l1_norm=1.5,
            l2_norm=0.7071,
            max_unit_norm=0.5,
            zero_share=0.25,
            nearly_zero_share=0.5,
            units=3,
            cancelled_units=1,
            negligible_units=2,
            shrinkage=Shrinkage(factor=2e-6, step=0.0),
            histogram=None,
        ),
    ),
    nonfinite_weights=("dense/bias",),
    histograms_left_out=0,
    raises=(Raise(epoch=9, restored_epoch=7, what="dropout", before=0.3, after=0.4),),
    suggestions=(
        Suggestion(
            id="raise-dropout",
            message="Raise dropout from 0.3 to 0.4.",
            source="note, Dropout",
            patch=(PatchOperation(op="replace", path="/model/layers/1/rate", value=0.4),),
        ),
    ),
    environment=Environment(python="3.11", keras="3", tensorflow="2", numpy="2", devices=("CPU",)),
)
JOB_ID = "job_" + "0" * 24 + "1234abcd"
PAGE = """\
overfit
• val_data_loss, 0.9, less train_data_loss, 0.1, is a gap of 0.8, 35% of the 2.3
  a constant prediction gives.

Figures
epochs      30
best epoch  12
gap         0.8, 34.8% of the reference
reference   2.3
penalty     33.3% of the loss
           training  validation
loss           0.15
data_loss       0.1         0.9
penalty        0.05
gap               –

Penalties
on            kind  value  of the loss
dense/kernel  l2     0.05        33.3%

Weights
weight        shape   L1      L2  zero  nearly zero  idle units
dense/kernel  4×3    1.5  0.7071   25%          50%      2 of 3
Not finite: dense/bias

Raised during training
after epoch  what     from   to
          9  dropout   0.3  0.4

Suggested changes
raise-dropout: Raise dropout from 0.3 to 0.4.
    replace /model/layers/1/rate = 0.4
    note, Dropout
To train with this change:
    ridgeline report 1234abcd --apply raise-dropout | ridgeline submit -
"""


def printed(report: Report) -> str:
    output = io.StringIO()
    Console(file=output, width=80).print(*report_page(report, JOB_ID), sep="\n")
    return "".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines())


def test_page() -> None:
    assert printed(REPORT) == PAGE


def test_empty_sections_are_left_out() -> None:
    nothing = {"evidence": (), "penalties": (), "weights": (), "nonfinite_weights": ()}
    absent = dict.fromkeys(("best_epoch", "gap", "gap_share", "reference", "penalty_share"))
    bare = REPORT.model_copy(update={**nothing, **absent, "raises": (), "suggestions": ()})
    page = printed(bare)
    assert page.endswith("\nSuggested changes\nNone.\n")
    assert "Weights" not in page
    assert "best epoch" not in page
