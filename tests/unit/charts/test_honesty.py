"""Charts show every measured value and mark what is missing or not finite."""

from typing import Any

import pytest

from ridgeline.api.curves import Curves
from ridgeline.charts import CHARTS, chart, comparison_chart, has_data
from tests.unit.charts.samples import CASES, REPORT, curves, diverged, row, run


def test_gap_is_drawn_between_the_losses_that_the_verdict_compares() -> None:
    spec = chart("losses", run(20))
    gap = _layer(spec, "losses_gap")
    assert (gap["encoding"]["y"]["field"], gap["encoding"]["y2"]["field"]) == (
        "train_data_loss",
        "val_data_loss",
    )
    assert [line["series"] for line in _lines(spec, "losses")[::20]] == ["Training", "Validation"]
    assert spec["title"]["subtitle"] == "Gap 0.21 at epoch 20 (shaded: validation − training)"


def test_penalty_has_its_own_panel() -> None:
    spec = chart("losses", run(20))
    names = [view["name"] for view in spec["vconcat"]]
    assert names == ["losses", "penalty"]
    penalty = _lines(spec, "penalty")
    assert {line["series"] for line in penalty} == {"Penalty", "Data loss + penalty"}
    none = chart("losses", run(20, terms=()))
    assert [view["name"] for view in none["vconcat"]] == ["losses"]
    assert "no penalty" in none["title"]["subtitle"]


def test_small_chart_shows_only_the_losses() -> None:
    spec = chart("losses", run(20), width=240, height=180)
    assert [view["name"] for view in spec["vconcat"]] == ["losses"]
    assert "The penalty ended at 0.3." in spec["description"]
    small = chart("penalty", CASES["forty layers"], width=240, height=180)
    assert len({line["series"] for line in _lines(small, "penalty")}) == 3


def test_not_finite_epochs_are_marked_and_not_bridged() -> None:
    broken: dict[str, float | None] = dict.fromkeys(("train_data_loss", "val_data_loss"))
    spec = chart("losses", curves([row(e, broken if e in (4, 5) else {}) for e in range(1, 9)]))
    (span,) = spec["datasets"]["losses_nonfinite"]
    assert (span["start"], span["end"]) == (3.5, 5.5)
    assert span["what"] == "train_data_loss, val_data_loss: epochs 4 to 5"
    assert [line["value"] for line in _lines(spec, "losses")[3:5]] == [None, None]
    assert "NaN or infinite first in epoch 4" in spec["title"]["subtitle"]
    assert "NaN or infinite: train_data_loss" in spec["description"]


def test_one_not_finite_epoch_among_thousands_is_visible() -> None:
    bad = curves([row(e, {"train_data_loss": None} if e == 5000 else {}) for e in range(1, 5001)])
    spec = chart("losses", bad)
    (span,) = spec["datasets"]["losses_nonfinite"]
    assert span["end"] == 5000
    assert (span["end"] - span["start"]) / 4999 * 640 >= 4
    assert "from epoch 5,000" in spec["title"]["subtitle"]


def test_value_between_two_not_finite_epochs_is_a_point() -> None:
    bad = curves([row(e, {"val_data_loss": None} if e in (49, 51) else {}) for e in range(1, 101)])
    points = chart("losses", bad)["datasets"]["losses_points"]
    assert [(point["epoch"], point["series"]) for point in points] == [(50, "Validation")]


def test_best_epoch_is_marked_when_there_is_validation() -> None:
    spec = chart("losses", run(40))
    assert spec["datasets"]["best"] == [{"epoch": 14, "label": "lowest at epoch 14"}]
    assert "best" not in chart("losses", run(40, without=("val_",)))["datasets"]


@pytest.mark.parametrize(
    ("case", "name", "words"),
    [
        ("no epoch", "losses", "No epoch has ended yet."),
        ("no epoch", "accuracy", "No epoch has ended yet."),
        ("without accuracy", "accuracy", "The job measured no metric."),
        ("legacy", "penalty", "The job has no penalty."),
        ("legacy", "learning_rate", "No learning rate was recorded."),
        ("three epochs", "weights", "The weights are reported once training has ended."),
    ],
)
def test_chart_without_data_says_why(case: str, name: Any, words: str) -> None:
    spec = chart(name, CASES[case])
    (view,) = spec["vconcat"]
    assert view["mark"]["text"] == words
    assert words in spec["description"]
    assert not has_data(name, CASES[case])


def test_every_chart_has_data_for_a_complete_job() -> None:
    assert all(has_data(name, run(2), REPORT) for name in CHARTS)


def test_curves_without_data_loss_are_labeled_as_total_loss() -> None:
    spec = chart("losses", CASES["legacy"])
    assert _legend(spec) == "Loss with penalty"
    assert [view["name"] for view in spec["vconcat"]] == ["losses"]


def test_no_gap_is_drawn_without_validation() -> None:
    spec = chart("losses", CASES["without validation"])
    assert _layer(spec, "losses_gap") is None
    assert spec["title"]["subtitle"] == "No rows were held out for validation"


def test_small_penalties_are_summed_into_one_line() -> None:
    spec = chart("penalty", CASES["forty layers"])
    last = [line for line in _lines(spec, "penalty") if line["epoch"] == 20]
    assert len(last) == 7
    assert last[-1]["series"] == "34 others together"
    total = sum(0.2 / (n + 1) for n in range(40))
    assert sum(line["value"] for line in last) == pytest.approx(total)


def test_shortened_names_stay_distinct() -> None:
    labels = {line["series"] for line in _lines(chart("penalty", CASES["long names"]), "penalty")}
    assert len(labels) == 3
    assert all(len(label) <= 32 for label in labels)
    assert {label.partition(".")[0][-1] for label in labels} == {"0", "1", "2"}


def test_axis_is_logarithmic_only_when_a_linear_one_hides_values() -> None:
    assert "type" not in _scale(chart("losses", run(9)))
    spike = chart("losses", CASES["a spike"])
    assert _scale(spike)["type"] == "log"
    assert _legend(spike) == "Data loss (log scale)"
    zeros = _scale(chart("losses", CASES["zeros"]))
    assert (zeros["type"], zeros["constant"]) == ("symlog", 1e-7)
    assert "type" not in _scale(chart("losses", CASES["negative"]))


def test_compared_jobs_share_one_scale() -> None:
    spec = comparison_chart({"a": run(9), "b": run(30, scale=2.0)})
    scales = [_scale(spec, index) for index in range(2)]
    assert scales[0] == scales[1]
    series = {line["series"] for line in spec["datasets"]["validation_lines"]}
    assert series == {"a", "b"}
    assert spec["vconcat"][1]["title"]["text"] == "Training"


def test_twenty_jobs_have_twenty_distinct_strokes() -> None:
    spec = comparison_chart({f"job {n}": run(3) for n in range(20)})
    encoding = _layer(spec, "validation_lines")["encoding"]
    strokes = zip(
        encoding["color"]["scale"]["range"],
        map(tuple, encoding["strokeDash"]["scale"]["range"]),
        strict=True,
    )
    assert len(set(strokes)) == 20


def test_diverged_job_is_marked_in_a_comparison() -> None:
    spec = comparison_chart({"good": run(12), "bad": diverged(12, since=9)})
    (span,) = spec["datasets"]["validation_nonfinite"]
    assert span["what"] == "bad, val_data_loss: epochs 9 to 12"


def _layer(spec: dict[str, Any], name: str) -> Any:
    layers = (layer for view in spec["vconcat"] for layer in view["layer"])
    return next((layer for layer in layers if layer["name"] == name), None)


def _lines(spec: dict[str, Any], panel: str) -> list[Any]:
    lines: list[Any] = spec["datasets"][f"{panel}_lines"]
    return lines


def _scale(spec: dict[str, Any], panel: int = 0) -> Any:
    name = spec["vconcat"][panel]["name"]
    return _layer(spec, f"{name}_lines")["encoding"]["y"]["scale"]


def _legend(spec: dict[str, Any]) -> Any:
    return _layer(spec, "losses_lines")["encoding"]["color"]["legend"]["title"]


def test_thinned_curves_are_drawn_at_their_epochs() -> None:
    thin: Curves = curves([row(1), row(7), row(500)])
    epochs = [line["epoch"] for line in _lines(chart("losses", thin), "losses")]
    assert epochs == [1, 7, 500, 1, 7, 500]
