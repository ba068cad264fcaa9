"""A loss that is not finite because of a row names the row and the cause, not the learning rate."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ridgeline.api.job import EndCode
from ridgeline.api.report import Report, Verdict
from tests.unit.worker.engine.data.stored.files import Upload, csv_file, npz_file
from worker.engine.context import InMemoryContext, TrainingFailed
from worker.engine.train import train

Json = dict[str, Any]
ROWS = 40
MEAN: list[Json] = [
    {"type": "Embedding", "input_dim": 9, "output_dim": 3, "mask_zero": True},
    {"type": "GlobalAveragePooling1D", "name": "mean"},
    {"type": "Dense", "units": 1, "activation": "sigmoid"},
]
BINARY: Json = {"loss": "binary_crossentropy", "epochs": 2, "seed": 3}
REGRESSION: Json = {"loss": "mean_squared_error", "epochs": 2, "seed": 3}


def test_an_empty_text_under_a_masked_mean(workdir: Path, tmp_path: Path) -> None:
    texts = [" ".join(np.roll(["red", "green", "blue"], row)[: 1 + row % 3]) for row in range(ROWS)]
    texts[7] = ""
    upload = csv_file(tmp_path, {"text": texts, "y": np.arange(ROWS) % 2})
    encodings = {"text": {"type": "sequence", "num_words": 9, "maxlen": 4}}
    detail, report = failure(
        upload, workdir, MEAN, training=BINARY, target="y", encodings=encodings
    )
    assert "the loss of 1 of 40 training and validation rows is infinite or NaN. Row 7 (" in detail
    assert "all steps of its sequence are padding, and 'mean' (GlobalAveragePooling1D)" in detail
    assert detail.endswith("A lower learning rate cannot help.")
    assert report.verdict is Verdict.DIVERGED
    assert report.evidence[0].id == "bad-rows"
    assert "Row 7 (" in report.evidence[0].message
    assert report.suggestions == ()


@pytest.mark.parametrize("part", ["train", "validation"])
def test_rows_of_padding_in_any_part_that_is_measured(
    part: str, workdir: Path, tmp_path: Path
) -> None:
    """A file that is already split numbers the rows of each part separately."""
    upload = npz_file(tmp_path, **divided(part, rows=[2, 5]))
    detail, _ = failure(upload, workdir, MEAN, training=BINARY, scaling="none", split={})
    kind = {"train": "training"}.get(part, part)
    assert f"2 of {2 * ROWS} training and validation rows (rows 2, 5) is infinite" in detail
    assert f"Row 2 (a {kind} row" in detail


def test_a_bad_test_row_fails_nothing_and_is_in_the_report(workdir: Path, tmp_path: Path) -> None:
    upload = npz_file(tmp_path, **divided("test", rows=[4]))
    spec = upload.spec(model={"layers": MEAN}, training=BINARY, scaling="none", split={})
    result = train(spec, InMemoryContext(workdir, dataset_file=upload.file))
    assert result.metrics["test_data_loss"] is None
    assert result.metrics["val_data_loss"] is not None
    assert result.report is not None
    evidence = result.report.evidence[0]
    assert (evidence.id, evidence.series) == ("bad-rows", ("test_data_loss",))
    assert "Row 4 (a test row" in evidence.message


@pytest.mark.parametrize(
    ("value", "activation", "cause"),
    [
        (1e4, "exponential", "the layer 'out' (Dense) has an output that is not finite"),
        (1.5e19, "linear", "mean_squared_error is not finite for the prediction 3e+19"),
    ],
)
def test_a_number_too_large_for_the_network(
    value: float, activation: str, cause: str, workdir: Path, tmp_path: Path
) -> None:
    numbers = np.linspace(-1, 1, ROWS)
    numbers[11] = value
    upload = csv_file(tmp_path, {"x": numbers, "z": numbers, "y": np.arange(ROWS) / ROWS})
    layer: Json = {"type": "Dense", "name": "out", "units": 1, "activation": activation}
    layers = [layer | {"kernel_initializer": "ones"}]
    options: Json = {"training": REGRESSION, "target": "y", "task": "regression"}
    detail, _ = failure(upload, workdir, layers, scaling="none", **options)
    assert "1 of 40 training and validation rows is infinite or NaN. Row 11 (" in detail
    assert cause in detail


def failure(
    upload: Upload, workdir: Path, layers: list[Json], **options: Any
) -> tuple[str, Report]:
    options = {"split": {"validation": 0.2}} | options
    spec = upload.spec(model={"layers": layers}, **options)
    with pytest.raises(TrainingFailed) as caught:
        train(spec, InMemoryContext(workdir, dataset_file=upload.file))
    assert caught.value.code is EndCode.DIVERGED
    assert caught.value.report is not None
    return caught.value.detail, caught.value.report


def divided(part: str, rows: list[int]) -> Json:
    """Tokens of three parts; some rows of one part are padding only."""
    draw = np.random.default_rng(4)
    arrays: Json = {}
    for name, file_name in (("train", "train"), ("validation", "val"), ("test", "test")):
        x = draw.integers(1, 9, (ROWS, 5)).astype(np.int32)
        x[:, 3:] = 0
        if name == part:
            x[rows] = 0
        arrays[f"x_{file_name}"], arrays[f"y_{file_name}"] = x, x[:, 0] % 2
    return arrays
