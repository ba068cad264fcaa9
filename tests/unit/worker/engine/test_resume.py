"""Killed at any epoch and resumed, a training ends with the same weights bit for bit."""

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.spec.job_spec import JobSpec
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.context import InMemoryContext, TrainingStopped
from worker.engine.train import train

pytestmark = pytest.mark.slow

EPOCHS = 7
#: Augmentation, dropout of four kinds, batch statistics, a recurrent layer with dropout of its own.
LAYERS = [
    {"type": "Reshape", "target_shape": [8, 8, 1]},
    {"type": "RandomFlip"},
    {"type": "RandomTranslation", "height_factor": 0.1, "width_factor": 0.1},
    {"type": "Conv2D", "filters": 4, "kernel_size": 3, "activation": "relu"},
    {"type": "BatchNormalization"},
    {"type": "SpatialDropout2D", "rate": 0.1},
    {"type": "GaussianNoise", "stddev": 0.05},
    {"type": "Reshape", "target_shape": [6, 24]},
    {"type": "LSTM", "units": 6, "dropout": 0.1, "recurrent_dropout": 0.1},
    {"type": "GaussianDropout", "rate": 0.1},
    {"type": "Dense", "units": 16, "activation": "relu"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]
RAISE = {"to": 0.5, "step": 0.1, "patience": 1}
EVERYTHING: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.3, "test": 0.55},
    "model": {"layers": LAYERS},
    "regularization": {
        "weights": {"l1": 1e-4, "l1_mode": "proximal", "l2": 1e-4},
        "dropout": {"rate": 0.3, "raise_on_overfit": RAISE},
    },
    "training": {
        "epochs": EPOCHS,
        "batch_size": 64,
        "metrics": ["accuracy"],
        "optimizer": {"name": "adam", "learning_rate": 0.03, "clipnorm": 1.0},
        "early_stopping": {"patience": 4, "restore_best_weights": True},
        "reduce_lr_on_plateau": {"patience": 1, "factor": 0.7, "min_delta": 0.3},
    },
}
#: What overfits at once, so that rates are raised and the way back is gone.
OVERFITTING: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.3, "test": 0.65},
    "model": {
        "layers": [
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "regularization": {
        "weights": {"l2": 1e-4, "raise_on_overfit": {"to": 0.01, "factor": 5, "patience": 2}},
        "dropout": {"rate": 0.1, "raise_on_overfit": {"to": 0.3, "step": 0.1, "patience": 1}},
    },
    "training": {
        "epochs": 15,
        "batch_size": 16,
        "optimizer": {"name": "adam", "learning_rate": 0.01, "use_ema": True},
    },
}


class Undisturbed:
    """A training that ran through, with its checkpoints after every epoch kept."""

    def __init__(self, spec: JobSpec, folder: Path) -> None:
        self.spec = spec
        self.context = KeepingContext(_new(folder / "work"), checkpoints=_new(folder / "ck"))
        self.result = train(spec, self.context)
        self.rows = self.context.rows
        self.weights = _weights(self.context.workdir)


class KeepingContext(InMemoryContext):
    """Copies what a kill at the end of each epoch would leave."""

    def epoch_ended(self, row: EpochRow) -> None:
        assert self.checkpoints is not None
        shutil.copytree(self.checkpoints, self.checkpoints.parent / f"killed-{row.epoch}")
        super().epoch_ended(row)


@pytest.fixture(scope="module", params=["everything", "overfitting"])
def undisturbed(request: Any, make_spec: MakeSpec, tmp_path_factory: Any) -> Undisturbed:
    sections = {"everything": EVERYTHING, "overfitting": OVERFITTING}[request.param]
    return Undisturbed(make_spec(**sections), tmp_path_factory.mktemp(request.param))


def test_resumed_after_a_kill_in_any_epoch(undisturbed: Undisturbed, tmp_path: Path) -> None:
    folder = undisturbed.context.workdir.parent
    kills = sorted(folder.glob("killed-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    assert len(kills) == len(undisturbed.rows) >= 6
    for number, left in enumerate(kills, start=1):
        checkpoints = tmp_path / left.name
        shutil.copytree(left, checkpoints)
        context = InMemoryContext(_new(tmp_path / f"work-{number}"), checkpoints=checkpoints)
        result = train(undisturbed.spec, context)
        assert _measured(context.rows) == _measured(undisturbed.rows)
        assert result.metrics == undisturbed.result.metrics
        _assert_same(_weights(context.workdir), undisturbed.weights)


def test_resumed_after_a_stop(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Asked to stop, it writes a checkpoint first, however long the interval is."""
    checkpoints = _new(tmp_path / "ck")
    first = InMemoryContext(
        _new(tmp_path / "1"), checkpoints=checkpoints, stop_after=3, checkpoint_interval_s=3600
    )
    with pytest.raises(TrainingStopped):
        train(undisturbed.spec, first)
    second = InMemoryContext(_new(tmp_path / "2"), checkpoints=checkpoints)
    train(undisturbed.spec, second)
    assert [row.seconds for row in second.rows[:3]] == [row.seconds for row in first.rows]
    _assert_same(_weights(second.workdir), undisturbed.weights)


def test_a_torn_and_a_flipped_checkpoint_fall_back(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    left = undisturbed.context.workdir.parent / "killed-5"
    for name, spoil in (("torn", _tear), ("flipped", _flip)):
        folder = tmp_path / name
        shutil.copytree(left, folder)
        spoil(max(folder.glob("*.checkpoint")))
        context = InMemoryContext(_new(tmp_path / f"{name}-work"), checkpoints=folder)
        train(undisturbed.spec, context)
        # The row of the epoch that was lost was measured anew.
        same = [
            one.seconds == other.seconds
            for one, other in zip(context.rows, undisturbed.rows, strict=True)
        ]
        assert same[:5] == [True, True, True, False, False]
        _assert_same(_weights(context.workdir), undisturbed.weights)


def test_another_specs_checkpoint_is_not_taken(
    undisturbed: Undisturbed, make_spec: MakeSpec, tmp_path: Path
) -> None:
    folder = tmp_path / "ck"
    shutil.copytree(undisturbed.context.workdir.parent / "killed-3", folder)
    context = InMemoryContext(_new(tmp_path / "work"), checkpoints=folder)
    train(make_spec(training={"epochs": 2}), context)
    assert [row.epoch for row in context.rows] == [1, 2]


def test_what_the_runs_hold(undisturbed: Undisturbed) -> None:
    """The cases above mean something only if there was something to lose."""
    report = undisturbed.result.report
    assert report is not None
    rates = [row.values["learning_rate"] or 0.0 for row in undisturbed.rows]
    if undisturbed.spec.training.early_stopping is None:
        assert {made.what for made in report.raises} == {"dropout", "l2"}
        shown = [row.values["dropout_rate"] or 0.0 for row in undisturbed.rows]
        assert shown[0] == 0.1
        assert max(shown) == pytest.approx(0.3)
    else:
        assert min(rates) < max(rates)


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _weights(workdir: Path) -> list[np.ndarray]:
    model = keras.models.load_model(workdir / "model.keras")
    return [np.array(weight) for weight in model.get_weights()]


def _assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def _measured(rows: list[EpochRow]) -> list[dict[str, Any]]:
    return [row.model_dump(exclude={"seconds"}) for row in rows]


def _tear(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 7)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
