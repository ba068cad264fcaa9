"""Training from spec to result, against the in-memory context."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ridgeline.api.job import EndCode
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.context import InMemoryContext, TrainingFailed, TrainingStopped
from worker.engine.data.sources import load
from worker.engine.seeds import mask_seed, row_order
from worker.engine.train import train

pytestmark = pytest.mark.slow

POLICY = {"weights": {"l2": 0.001}, "dropout": {"rate": 0.3}}


@pytest.fixture
def context(workdir: Path) -> InMemoryContext:
    return InMemoryContext(workdir)


def test_learns_and_reports_every_epoch(make_spec: MakeSpec, context: InMemoryContext) -> None:
    training = {
        "epochs": 25,
        "metrics": ["accuracy"],
        "optimizer": {"name": "adam", "learning_rate": 0.02},
    }
    result = train(make_spec(training=training, regularization=POLICY), context)
    assert [row.epoch for row in context.rows] == list(range(1, 26))
    assert context.rows[-1].values["data_loss"] < 0.5 * context.rows[0].values["data_loss"]  # type: ignore[operator]
    assert result.metrics["test_accuracy"] >= 0.85  # type: ignore[operator]
    for row in context.rows:
        values: dict[str, Any] = row.values
        assert values["loss"] == pytest.approx(values["data_loss"] + values["penalty"])
        assert values["val_loss"] == pytest.approx(values["val_data_loss"] + values["val_penalty"])
        assert sum(row.penalty_by_layer.values()) == pytest.approx(values["penalty"])  # type: ignore[arg-type]
        assert set(row.penalty_by_layer) == {"dense/kernel/l2", "dense_1/kernel/l2"}
        assert row.seconds > 0
        assert values["learning_rate"] == 0.02


def test_the_reported_test_accuracy_is_that_of_the_saved_model(
    make_spec: MakeSpec, context: InMemoryContext
) -> None:
    spec = make_spec(training={"epochs": 5, "metrics": ["accuracy"]})
    result = train(spec, context)
    features, target = load(spec.dataset)
    with np.load(context.workdir / "split.npz") as split:
        rows = split["test"]
    model = keras.models.load_model(context.workdir / "model.keras")
    predicted = model.predict(features[rows], verbose=0).argmax(axis=1)
    assert result.metrics["test_accuracy"] == pytest.approx(np.mean(predicted == target[rows]))
    assert {file.name for file in result.files} == {"model.keras", "split.npz", "report.json"}
    # Where no epochs end, these are the signs that training gets on.
    assert context.phases == [
        "preparing the data",
        "building the network",
        "training",
        "measuring",
        "exporting keras",
        "reporting",
    ]


def test_same_seed_same_weights(make_spec: MakeSpec, tmp_path: Path) -> None:
    weights = {}
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        spec = make_spec(training={"seed": seed}, regularization=POLICY)
        train(spec, InMemoryContext(tmp_path / name))
        weights[name] = keras.models.load_model(tmp_path / name / "model.keras").get_weights()
    for first, again in zip(weights["first"], weights["again"], strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(weights["first"][0], weights["other"][0])


def test_without_held_out_rows_there_are_no_val_and_test_values(
    make_spec: MakeSpec, context: InMemoryContext
) -> None:
    result = train(make_spec(split={"validation": 0.0, "test": 0.0}), context)
    assert not [name for name in result.metrics if name.startswith(("val_", "test_"))]


def test_a_diverging_run_fails_with_what_to_change(
    make_spec: MakeSpec, context: InMemoryContext
) -> None:
    training = {
        "loss": "mean_squared_error",
        "epochs": 50,
        "optimizer": {"name": "sgd", "learning_rate": 1e9},
    }
    spec = make_spec(
        dataset={"source": "builtin", "name": "diabetes"},
        split={},
        model={"layers": [{"type": "Dense", "units": 1}]},
        training=training,
    )
    with pytest.raises(TrainingFailed, match="learning_rate") as failure:
        train(spec, context)
    assert failure.value.code is EndCode.DIVERGED
    last = context.rows[-1]
    assert last.values["data_loss"] is None
    assert "data_loss" in last.nonfinite
    assert len(context.rows) < 50


def test_stops_when_the_context_asks(make_spec: MakeSpec, workdir: Path) -> None:
    context = InMemoryContext(workdir, stop_after=3)
    with pytest.raises(TrainingStopped):
        train(make_spec(training={"epochs": 10}), context)
    assert len(context.rows) == 3
    assert not list(workdir.iterdir())


def test_every_epoch_has_its_own_order_and_masks() -> None:
    first, again, next_epoch = (row_order(3, epoch, 100) for epoch in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, next_epoch)
    assert sorted(next_epoch) == list(range(100))
    assert mask_seed(3, 1).numpy().tolist() != mask_seed(3, 2).numpy().tolist()
