"""Both callbacks do, epoch by epoch, what Keras's do with the same values."""

import json
import math
from typing import Any, get_args

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ridgeline.spec import training
from ridgeline.spec.training import RISING_METRICS, MetricName, ReduceLROnPlateau
from worker.engine.callbacks import EarlyStopper, Judgement, Plateau

#: Values close to one another, so that ties, deltas and float32's digits matter.
VALUES = st.one_of(
    st.sampled_from([0.0, 0.1, 0.2, 0.2 + 1e-9, 0.3, 1.0, math.nan, math.inf]),
    st.floats(-1.0, 1.0, width=32, allow_subnormal=False),
)
SERIES = st.lists(VALUES, min_size=1, max_size=15)
MODES = st.sampled_from(["min", "max"])


class Model:
    """What Keras's callbacks ask of a model."""

    def __init__(self) -> None:
        self.stop_training = False
        self.optimizer = keras.optimizers.SGD(0.1)
        self.weights = 0

    def get_weights(self) -> int:
        return self.weights

    def set_weights(self, weights: int) -> None:
        self.weights = weights


@given(
    series=SERIES,
    said=st.fixed_dictionaries(
        {
            "mode": MODES,
            "patience": st.integers(0, 4),
            "min_delta": st.sampled_from([0.0, 0.1, 1e-9]),
            "baseline": st.none() | st.sampled_from([0.1, 0.5]),
            "start_from_epoch": st.integers(0, 3),
        }
    ),
    cut=st.integers(0, 15),
)
@settings(max_examples=200, deadline=None)
def test_early_stopping(series: list[float], said: dict[str, Any], cut: int) -> None:
    """Whose weights end up in the model, and after which epoch; a checkpoint in between."""
    settings_ = training.EarlyStopping(monitor="loss", restore_best_weights=True, **said)
    ours = EarlyStopper(settings_)
    theirs = keras.callbacks.EarlyStopping("loss", restore_best_weights=True, **said)
    theirs.set_model(Model())
    theirs.on_train_begin()
    for epoch, value in enumerate(series, start=1):
        if epoch == cut:
            ours, kept = EarlyStopper(settings_), json.dumps(ours.state())
            ours.restore(json.loads(kept))
        theirs.model.weights = epoch
        theirs.on_epoch_end(epoch - 1, {"loss": value})
        judged = ours.epoch_ended(epoch, {"loss": value})
        assert judged.stop == theirs.model.stop_training
        assert judged.best == (theirs.best_weights == epoch)
        assert ours.best_epoch == (theirs.best_weights or None)
        if judged.stop:
            return


@given(
    series=SERIES,
    said=st.fixed_dictionaries(
        {
            "mode": MODES,
            "patience": st.integers(0, 4),
            "min_delta": st.sampled_from([0.0, 0.1, 1e-4]),
            "factor": st.sampled_from([0.1, 0.5]),
            "cooldown": st.integers(0, 3),
            "min_lr": st.sampled_from([0.0, 0.03]),
        }
    ),
    cut=st.integers(0, 15),
)
@settings(max_examples=200, deadline=None)
def test_plateau(series: list[float], said: dict[str, Any], cut: int) -> None:
    settings_ = ReduceLROnPlateau(monitor="loss", **said)
    ours, rate = Plateau(settings_), keras.optimizers.SGD(0.1)
    theirs = keras.callbacks.ReduceLROnPlateau("loss", **said)
    theirs.set_model(Model())
    theirs.on_train_begin()
    for epoch, value in enumerate(series, start=1):
        if epoch == cut:
            ours, kept = Plateau(settings_), json.dumps(ours.state())
            ours.restore(json.loads(kept))
        theirs.on_epoch_end(epoch - 1, {"loss": value})
        lowered = ours.epoch_ended({"loss": value}, float(rate.learning_rate))
        if lowered is not None:
            rate.learning_rate = lowered
        assert float(rate.learning_rate) == float(theirs.model.optimizer.learning_rate)


def test_without_the_value_nothing_changes() -> None:
    """As where a curve holds null."""
    stopping = EarlyStopper(training.EarlyStopping(monitor="loss"))
    plateau = Plateau(ReduceLROnPlateau(monitor="loss", patience=0))
    assert stopping.epoch_ended(1, {"loss": 1.0}) == Judgement(stop=False, best=True)
    assert plateau.epoch_ended({"loss": 1.0}, 0.1) is None
    for values in ({}, {"loss": None}):
        assert stopping.epoch_ended(2, values) == Judgement(stop=False, best=False)
        assert plateau.epoch_ended(values, 0.1) is None
    assert stopping.epoch_ended(3, {"loss": 1.0}).stop
    assert plateau.epoch_ended({"loss": 1.0}, 0.1) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("said", "series", "failed", "best"),
    [
        (
            {"patience": 3},
            [0.5, 0.6, 0.5, 0.7],
            "improved for 3 epochs",
            "0.5, was that of epoch 1",
        ),
        (
            {"restore_best_weights": True},
            [0.5, 0.4, 0.6],
            "improved for 1 epoch",
            "0.4, was that of epoch 2, whose weights were kept",
        ),
        (
            {"min_delta": 0.1},
            [0.5, 0.45],
            "improved by more than 0.1 for 1 epoch",
            "0.5, was that of epoch 1",
        ),
        (
            {"baseline": 0.1, "patience": 3},
            [0.5, 0.4, 0.45],
            "beaten the baseline of 0.1 for 3 epochs",
            "0.4, was that of epoch 2",
        ),
    ],
)
def test_early_stopping_says_why(
    said: dict[str, Any], series: list[float], failed: str, best: str
) -> None:
    stopping = EarlyStopper(training.EarlyStopping(monitor="loss", **said))
    judged = [stopping.epoch_ended(epoch, {"loss": value}) for epoch, value in enumerate(series, 1)]
    assert [each.stop for each in judged] == [False] * (len(series) - 1) + [True]
    assert stopping.explain(len(series), 40) == (
        f"Early stopping ended the training after epoch {len(series)} of 40: loss had not {failed}."
        f" Its best value, {best}."
    )


def test_the_direction_of_each_metric_is_keras_own() -> None:
    names = {
        "".join(part.capitalize() for part in name.split("_")).lower(): name
        for name in get_args(MetricName)
    }
    classes = {each.lower(): getattr(keras.metrics, each) for each in dir(keras.metrics)}
    for flat, name in names.items():
        built = classes[flat]() if flat in classes else keras.metrics.get(name)
        assert (built._direction == "up") == (name in RISING_METRICS), name
        for prefix in ("", "val_", "train_"):
            said = training.EarlyStopping(monitor=prefix + name)
            assert said.direction == ("max" if name in RISING_METRICS else "min")


@pytest.mark.parametrize("monitor", ["loss", "val_data_loss", "train_data_loss", "gap", "penalty"])
def test_of_losses_less_is_better(monitor: str) -> None:
    assert training.EarlyStopping(monitor=monitor).direction == "min"
    assert training.EarlyStopping(monitor=monitor, mode="max").direction == "max"


def test_values_beyond_float32_compare_as_infinite() -> None:
    stopping = EarlyStopper(training.EarlyStopping(monitor="loss", mode="max", patience=3))
    assert stopping.epoch_ended(1, {"loss": 1.0}).best
    assert stopping.epoch_ended(2, {"loss": float(np.finfo(np.float64).max)}).best
