"""TensorBoard reads what is exported: the penalty apart from the data loss, run by run."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ridgeline.api.curves import EpochRow
from ridgeline.spec.job_spec import JobSpec
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.context import InMemoryContext
from worker.engine.export.tensorboard import write_tensorboard
from worker.engine.train import train

pytestmark = pytest.mark.slow

EPOCHS = 4
#: As many as there are: the reader keeps a sample of a long series by default.
ALL = {"scalars": 0, "tensors": 0, "histograms": 0}


def unpacked(archive: Path, to: Path) -> dict[str, Any]:
    """What TensorBoard finds in each run."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(to)
    found = {}
    for folder in sorted(path for path in to.iterdir() if path.is_dir()):
        found[folder.name] = EventAccumulator(str(folder), size_guidance=ALL).Reload()
    return found


def scalars(run: Any, tag: str) -> list[float]:
    """A scalar is a tensor to TensorBoard since its second version."""
    if tag in run.Tags()["scalars"]:
        return [event.value for event in run.Scalars(tag)]
    return [float(np.ravel(event.tensor_proto.float_val)[0]) for event in run.Tensors(tag)]


@pytest.fixture
def spec(make_spec: MakeSpec) -> JobSpec:
    return make_spec(
        split={"validation": 0.2, "test": 0.0, "stratify": False},
        regularization={"weights": {"l1": 0.001, "l2": 0.01}},
        training={"epochs": EPOCHS, "metrics": ["accuracy"]},
        outputs=["tensorboard"],
    )


def test_a_training_can_be_looked_at_in_tensorboard(
    spec: JobSpec, workdir: Path, tmp_path: Path
) -> None:
    context = InMemoryContext(workdir)
    result = train(spec, context)
    assert [file.name for file in result.files] == ["split.npz", "report.json", "tensorboard.zip"]
    assert {path.name for path in workdir.iterdir() if path.name.startswith("tensorboard")} == {
        "tensorboard.zip"
    }
    runs = unpacked(workdir / "tensorboard.zip", tmp_path / "board")
    assert set(runs) == {"train", "validation", "train_inference"}
    for run, prefix in (("train", ""), ("validation", "val_"), ("train_inference", "train_")):
        for tag in ("data_loss", "accuracy"):
            expected = [row.values[prefix + tag] for row in context.rows]
            assert scalars(runs[run], tag) == pytest.approx(expected)
    loss, data_loss, penalty = (
        np.asarray(scalars(runs["train"], tag)) for tag in ("loss", "data_loss", "penalty")
    )
    np.testing.assert_allclose(loss, data_loss + penalty, rtol=1e-5)
    terms = [name for name in _tags(runs["train"]) if name.startswith("penalty_by_layer/")]
    assert sorted(terms) == sorted(
        f"penalty_by_layer/{t}" for t in context.rows[0].penalty_by_layer
    )
    by_layer = np.sum([scalars(runs["train"], term) for term in terms], axis=0)
    np.testing.assert_allclose(by_layer, penalty, rtol=1e-4)


def test_weights_and_spec_are_there(spec: JobSpec, workdir: Path, tmp_path: Path) -> None:
    report = train(spec, InMemoryContext(workdir)).report
    assert report is not None
    run = unpacked(workdir / "tensorboard.zip", tmp_path / "board")["train"]
    (event,) = run.Tensors("spec")
    text = event.tensor_proto.string_val[0].decode()
    resolved = JobSpec.model_validate(
        json.loads(text.removeprefix("```json").removesuffix("```")), strict=False
    )
    assert resolved.training.epochs == EPOCHS
    (verdict,) = run.Tensors("verdict")
    assert report.verdict.value in verdict.tensor_proto.string_val[0].decode()
    assert verdict.step == EPOCHS
    weight = next(each for each in report.weights if each.histogram is not None)
    (histogram,) = run.Tensors(f"weights/{weight.layer}/{weight.name}")
    content = np.frombuffer(histogram.tensor_proto.tensor_content, np.float64).reshape(-1, 3)
    assert content[:, 2].sum() == weight.size
    assert weight.histogram is not None
    np.testing.assert_array_equal(content[:, 0], weight.histogram.edges[:-1])


def test_epochs_are_dated_by_how_long_they_took(
    spec: JobSpec, workdir: Path, tmp_path: Path
) -> None:
    report = train(spec, InMemoryContext(workdir)).report
    assert report is not None
    rows = [row(1, 2.0, loss=1.0), row(2, 3.0, loss=0.5, val_loss=0.75)]
    (tmp_path / "own").mkdir()
    file = write_tensorboard(rows, report, spec, tmp_path / "own", ended_at=1_000_000.0)
    runs = unpacked(file.path, tmp_path / "board")
    run = runs["train"]
    assert run.FirstEventTimestamp() == 999_995.0
    times = [event.wall_time for event in _events(run, "loss")]
    assert times == [999_997.0, 1_000_000.0]
    assert [event.step for event in _events(runs["validation"], "loss")] == [2]


def test_a_value_that_was_not_finite_is_nan(spec: JobSpec, workdir: Path, tmp_path: Path) -> None:
    report = train(spec, InMemoryContext(workdir)).report
    assert report is not None
    marked = row(1, 1.0, loss=None, accuracy=0.5).model_copy(update={"nonfinite": ("loss",)})
    missing = row(2, 1.0, loss=0.1, accuracy=None)
    (tmp_path / "own").mkdir()
    file = write_tensorboard([marked, missing], report, spec, tmp_path / "own", ended_at=1e6)
    run = unpacked(file.path, tmp_path / "board")["train"]
    first, second = scalars(run, "loss")
    assert math.isnan(first)
    assert second == pytest.approx(0.1)
    assert scalars(run, "accuracy") == [0.5]


def row(epoch: int, seconds: float, **values: float | None) -> EpochRow:
    return EpochRow(epoch=epoch, seconds=seconds, values=values, penalty_by_layer={})


def _tags(run: Any) -> list[str]:
    return [*run.Tags()["scalars"], *run.Tags()["tensors"]]


def _events(run: Any, tag: str) -> Any:
    return run.Scalars(tag) if tag in run.Tags()["scalars"] else run.Tensors(tag)
