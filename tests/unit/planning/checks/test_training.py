"""Contradictions in `training` are rejected with a pointer, before anything is queued."""

from typing import Any

import pytest

from ridgeline.planning.checks.training import monitored
from ridgeline.planning.resolve import resolve

RATE = "/training/optimizer/learning_rate"
REGRESSION = {
    "dataset": {"source": "builtin", "name": "diabetes"},
    "model": {"layers": [{"type": "Dense", "units": 1}]},
}


def rate(**fields: Any) -> dict[str, Any]:
    return {"optimizer": {"name": "sgd", "learning_rate": fields}}


def cosine(**fields: Any) -> dict[str, Any]:
    return rate(name="cosine_decay", decay_steps=9, **fields)


def pieces(boundaries: list[int], values: list[float]) -> dict[str, Any]:
    return rate(name="piecewise_constant_decay", boundaries=boundaries, values=values)


@pytest.mark.parametrize(
    ("training", "pointer", "rule", "words"),
    [
        (
            {"optimizer": {"name": "sgd", "clipnorm": 1.0, "clipvalue": 1.0}},
            "/training/optimizer/clipvalue",
            "one-clipping",
            "clipnorm and clipvalue",
        ),
        (
            pieces([3, 5], [0.1, 0.2]),
            f"{RATE}/values",
            "schedule-pieces",
            "expected 3 values, one more",
        ),
        (
            pieces([5, 5], [0.1, 0.2, 0.3]),
            f"{RATE}/boundaries/1",
            "schedule-pieces",
            "ascending order, received 5 after 5",
        ),
        (
            cosine(initial_learning_rate=0.1, warmup_steps=3),
            f"{RATE}/warmup_steps",
            "schedule-warmup",
            "warmup_target",
        ),
        (
            cosine(initial_learning_rate=0.0),
            f"{RATE}/initial_learning_rate",
            "schedule-warmup",
            "warmup_target",
        ),
        (
            cosine(initial_learning_rate=0.1) | {"reduce_lr_on_plateau": {}},
            "/training/reduce_lr_on_plateau",
            "plateau-or-schedule",
            "cosine_decay",
        ),
        (
            {"loss": {"name": "sparse_categorical_crossentropy", "label_smoothing": 0.1}},
            "/training/loss/label_smoothing",
            "loss-smooths-labels",
            "use categorical_crossentropy",
        ),
        (
            {"class_weight": {"3": 1, "10": 2}},
            "/training/class_weight/10",
            "class-weight-classes",
            "0 to 9",
        ),
        (
            {"class_weight": {"one": 1}},
            "/training/class_weight/one",
            "class-weight-classes",
            "received 'one'",
        ),
        (
            {"class_weight": {"01": 1}},
            "/training/class_weight/01",
            "class-weight-classes",
            "received '01'",
        ),
        (
            {"class_weight": {str(number): 0 for number in range(10)}},
            "/training/class_weight",
            "class-weight-zero",
            "above 0",
        ),
        (
            {"early_stopping": {"monitor": "val_accuracy"}},
            "/training/early_stopping/monitor",
            "monitor-is-measured",
            "/training/metrics",
        ),
        (
            {"reduce_lr_on_plateau": {"monitor": "learning_rate"}},
            "/training/reduce_lr_on_plateau/monitor",
            "monitor-is-measured",
            "one of val_data_loss",
        ),
    ],
)
def test_a_contradiction_is_rejected(
    training: Any, pointer: str, rule: str, words: str, make_spec: Any, faults_of: Any
) -> None:
    (fault,) = faults_of(lambda: resolve(make_spec(training=training)))
    assert (fault.pointer, fault.rule) == (pointer, rule)
    assert words in fault.detail


@pytest.mark.parametrize("monitor", ["val_data_loss", "val_accuracy", "gap"])
def test_monitoring_validation_without_validation_rows_is_rejected(
    monitor: str, make_spec: Any, faults_of: Any
) -> None:
    training = {"metrics": ["accuracy"], "early_stopping": {"monitor": monitor}}
    spec = make_spec(split={"validation": 0.0}, training=training)
    (fault,) = faults_of(lambda: resolve(spec))
    assert fault.pointer == "/training/early_stopping/monitor"
    assert "/split/validation" in fault.detail
    assert "train_data_loss" in fault.detail


@pytest.mark.parametrize("class_weight", ["balanced", {"0": 1}])
def test_class_weight_of_a_real_target_is_rejected(
    class_weight: Any, make_spec: Any, faults_of: Any
) -> None:
    training = {"loss": "mse", "class_weight": class_weight}
    (fault,) = faults_of(lambda: resolve(make_spec(**REGRESSION, training=training)))
    assert (fault.pointer, fault.rule) == ("/training/class_weight", "class-weight-classes")


def test_all_faults_are_reported_at_once(make_spec: Any, faults_of: Any) -> None:
    training = {
        "optimizer": {"name": "adam", "clipnorm": 1.0, "global_clipnorm": 1.0, "clipvalue": 1.0},
        "class_weight": {"11": 1},
        "early_stopping": {"monitor": "x"},
    }
    faults = faults_of(lambda: resolve(make_spec(training=training)))
    assert [fault.pointer for fault in faults] == [
        "/training/optimizer/clipvalue",
        "/training/optimizer/global_clipnorm",
        "/training/class_weight/11",
        "/training/early_stopping/monitor",
    ]


@pytest.mark.parametrize(
    "training",
    [
        {"class_weight": "balanced"},
        {"class_weight": {"0": 0, "9": 5.5}},
        {"optimizer": {"name": "adam", "global_clipnorm": 1.0, "use_ema": True}},
        cosine(initial_learning_rate=0.0, warmup_target=0.1, warmup_steps=3),
        pieces([3, 5], [0.1, 0.2, 0.3]),
        {"loss": {"name": "categorical_crossentropy", "label_smoothing": 0.1}},
        {"early_stopping": {}, "reduce_lr_on_plateau": {}, "precision": "mixed_float16"},
    ],
)
def test_a_consistent_training_is_accepted(training: Any, make_spec: Any) -> None:
    spec = make_spec(training=training)
    assert resolve(resolve(spec).spec).spec == resolve(spec).spec


def test_every_measured_series_can_be_monitored(make_spec: Any) -> None:
    training = make_spec(training={"metrics": ["accuracy"]}).training
    without = ("data_loss", "loss", "penalty", "accuracy", "train_data_loss", "train_accuracy")
    assert monitored(training, validates=False) == without
    assert set(monitored(training, validates=True)) == {
        *without,
        *("val_data_loss", "val_loss", "val_penalty", "val_accuracy", "gap"),
    }
    for name in monitored(training, validates=True):
        stopping = {"metrics": ["accuracy"], "early_stopping": {"monitor": name}}
        resolve(make_spec(training=stopping))


PROXIMAL = {"weights": {"l1": 0.01, "l1_mode": "proximal"}}


@pytest.mark.parametrize(
    ("optimizer", "pointer", "rule", "words"),
    [
        (
            {"name": "ftrl"},
            "/training/optimizer",
            "proximal-optimizer",
            "l1_regularization_strength",
        ),
        (
            {"name": "adam", "use_ema": True},
            "/training/optimizer/use_ema",
            "proximal-average",
            "exact zeros would be lost",
        ),
    ],
)
def test_an_optimizer_that_would_undo_exact_zeros_is_rejected(
    optimizer: dict[str, Any], pointer: str, rule: str, words: str, make_spec: Any, faults_of: Any
) -> None:
    training = {"optimizer": optimizer}
    (fault,) = faults_of(lambda: resolve(make_spec(training, regularization=PROXIMAL)))
    assert (fault.pointer, fault.rule) == (pointer, rule)
    assert words in fault.detail
    # Both are fine without the soft threshold, or without L1.
    for penalty in ({"l1": 0.01}, {"l2": 0.01, "l1_mode": "proximal"}):
        resolve(make_spec(training, regularization={"weights": penalty}))


def test_a_proximal_penalty_of_one_layer_is_checked_too(make_spec: Any, faults_of: Any) -> None:
    layer = {"type": "Dense", "units": 10, "activation": "softmax"}
    layers = [layer | {"bias_regularizer": PROXIMAL["weights"]}]
    training = {"optimizer": {"name": "ftrl"}}
    (fault,) = faults_of(lambda: resolve(make_spec(training, model={"layers": layers})))
    assert fault.pointer == "/training/optimizer"
