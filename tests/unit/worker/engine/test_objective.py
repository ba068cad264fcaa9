"""Every name of the contract is one of Keras, and its arguments arrive."""

from typing import Any, get_args

import keras
import numpy as np
import pytest

from ridgeline.planning.loss_fit import TargetEncoding
from ridgeline.spec.training import LOSSES, OPTIMIZERS, Loss, MetricName, Training
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from worker.engine.objective import build_loss, build_metrics, class_weights, row_classes
from worker.engine.optimization import build_optimizer


def loss_of(said: Any) -> Loss:
    return Training.model_validate({"loss": said}, strict=False).loss


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_keras_losses_of_that_name(name: str) -> None:
    built = build_loss(loss_of(name))
    assert type(built) is getattr(keras.losses, LOSSES[name].__name__)


@pytest.mark.parametrize(
    "said",
    [
        {"name": "sparse_categorical_crossentropy", "from_logits": True},
        {"name": "categorical_crossentropy", "from_logits": True, "label_smoothing": 0.2},
        {"name": "binary_crossentropy", "label_smoothing": 0.1},
        {"name": "categorical_generalized_cross_entropy", "q": 0.7},
        {"name": "categorical_focal_crossentropy", "alpha": 0.5, "gamma": 3.0},
        {"name": "binary_focal_crossentropy", "apply_class_balancing": True, "gamma": 1.0},
    ],
    ids=lambda said: said["name"],
)
def test_loss_arguments_arrive(said: dict[str, Any]) -> None:
    config = build_loss(loss_of(said)).get_config()
    assert {name: config[name] for name in said if name != "name"} == {
        name: value for name, value in said.items() if name != "name"
    }


def test_huber_is_linear_beyond_delta() -> None:
    """½e² up to delta, delta·|e| − ½delta² beyond; Keras's config leaves delta out."""
    built = build_loss(loss_of({"name": "huber", "delta": 2.5}))
    assert float(built([[0.0]], [[2.0]])) == pytest.approx(2.0)
    assert float(built([[0.0]], [[4.0]])) == pytest.approx(2.5 * 4 - 2.5**2 / 2)


def test_smoothed_labels_in_closed_form() -> None:
    """−Σ ((1 − s)·y + s/classes)·log p."""
    p, smoothing = np.array([[0.7, 0.2, 0.1]], np.float32), 0.3
    built = build_loss(loss_of({"name": "categorical_crossentropy", "label_smoothing": smoothing}))
    smoothed = np.array([1 - smoothing, 0, 0]) + smoothing / 3
    expected = -np.sum(smoothed * np.log(p[0]))
    assert float(built(np.array([[1.0, 0.0, 0.0]]), p)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", get_args(MetricName))
def test_metrics_are_keras_metrics_of_that_name(name: MetricName) -> None:
    built = build_metrics([name], loss_of("categorical_crossentropy"), "one_hot")[name]
    expected = {"accuracy": "categorical_accuracy", "auc": "auc"}.get(name, name)
    assert type(built).__name__.lower() == expected.replace("_", "")


def test_margins_are_cut_at_zero() -> None:
    metrics = build_metrics(["accuracy", "precision", "auc"], loss_of("hinge"), "binary")
    for metric in metrics.values():
        metric.update_state([[0.0], [1.0]], [[-0.2], [0.2]])
        assert float(metric.result()) == 1.0


def test_f1_of_classes_and_of_one_column() -> None:
    """2·precision·recall/(precision + recall), the mean over classes where there are several."""
    several = build_metrics(["f1_score"], loss_of("categorical_crossentropy"), "one_hot")
    several["f1_score"].update_state(np.eye(3)[[0, 0, 1, 2]], np.eye(3)[[0, 1, 1, 2]])
    assert float(several["f1_score"].result()) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    one = build_metrics(["f1_score"], loss_of("binary_crossentropy"), "binary")
    one["f1_score"].update_state([[1.0], [1.0], [0.0], [0.0]], [[0.9], [0.2], [0.6], [0.1]])
    assert float(one["f1_score"].result()) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("encoding", "y", "z"),
    [("index", [2], [[0.1, 0.2, 3.0]]), ("one_hot", [[0.0, 0.0, 1.0]], [[0.1, 0.2, 3.0]])],
)
def test_a_crossentropy_is_measured_of_logits_where_the_loss_takes_them(
    encoding: TargetEncoding, y: Any, z: Any
) -> None:
    """And without the loss's smoothing: what a run reports stays comparable."""
    loss = loss_of(
        {"name": "categorical_focal_crossentropy", "from_logits": True, "label_smoothing": 0.5}
    )
    (metric,) = build_metrics(["categorical_crossentropy"], loss, encoding).values()
    metric.update_state(np.array(y), np.array(z))
    expected = np.log(np.sum(np.exp(z))) - z[0][2]
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_arguments_arrive(name: str) -> None:
    said = {"name": name, "learning_rate": 0.02, "weight_decay": 0.3, "clipvalue": 2.0}
    training = Training.model_validate({"loss": "mse", "optimizer": said}, strict=False)
    config = build_optimizer(training, []).get_config()
    for argument, value in training.optimizer.model_dump().items():
        if argument not in ("name", "weight_decay_on"):
            assert config[argument] == pytest.approx(value), argument


# Class weights -----------------------------------------------------------------------------------

ENCODED: list[tuple[TargetEncoding, Any]] = [
    ("index", np.array([0, 0, 0, 2], np.int32)),
    ("one_hot", np.eye(3, dtype=np.float32)[[0, 0, 0, 2]]),
]


@pytest.mark.parametrize(("encoding", "y"), ENCODED)
def test_class_weights(encoding: TargetEncoding, y: Any) -> None:
    def weights(said: Any) -> Any:
        training = Training.model_validate({"loss": "mse", "class_weight": said}, strict=False)
        return class_weights(training, encoding, y, 3)

    assert weights(None) is None
    assert weights({"2": 5.0, "0": 0.5}).tolist() == [0.5, 1.0, 5.0]
    # rows/(classes·rows of the class); a class without rows has none to weigh
    assert weights("balanced").tolist() == pytest.approx([4 / (3 * 3), 1.0, 4 / (3 * 1)])
    assert row_classes(y, encoding).tolist() == [0, 0, 0, 2]


def test_class_weights_of_two_classes_in_one_column() -> None:
    y = np.array([[0.0], [1.0], [1.0], [1.0]], np.float32)
    said = {"loss": "binary_crossentropy", "class_weight": "balanced"}
    training = Training.model_validate(said, strict=False)
    assert class_weights(training, "binary", y, 2) == pytest.approx([2.0, 2 / 3])
    assert row_classes(y, "binary").tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(("encoding", "y"), ENCODED)
def test_weighing_rows_by_class_is_keras_class_weight(encoding: TargetEncoding, y: Any) -> None:
    """As sample weights of Keras's loss they give the loss that `fit(class_weight=…)` gives."""
    names = {"index": "sparse_categorical_crossentropy", "one_hot": "categorical_crossentropy"}
    said = {"loss": names[encoding], "class_weight": {"0": 0.5, "2": 4.0}}
    training = Training.model_validate(said, strict=False)
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(0.0), loss=build_loss(training.loss))
    fitted = model.fit(x, y, class_weight={0: 0.5, 2: 4.0}, batch_size=4, verbose=0)
    weights = class_weights(training, encoding, y, 3)
    assert weights is not None
    ours = build_loss(training.loss)(y, model(x), sample_weight=weights[row_classes(y, encoding)])
    assert float(ours) == pytest.approx(fitted.history["loss"][0], rel=1e-6)


def test_decoupled_decay_spares_biases_and_normalization(make_spec: MakeSpec) -> None:
    """With a gradient of zero a step only decays: kernels by η·weight_decay, nothing else."""
    layers = [
        {"type": "Dense", "units": 4, "bias_initializer": "ones"},
        {"type": "BatchNormalization"},
        {"type": "Dense", "units": 3, "activation": "softmax"},
    ]
    adamw = {"name": "adamw", "learning_rate": 0.1, "weight_decay": 0.5}
    setup = Setup(make_spec(model={"layers": layers}, training={"optimizer": adamw}))
    variables = setup.network.model.trainable_variables
    before = [variable.numpy() for variable in variables]
    setup.objective.optimizer.apply([keras.ops.zeros_like(v) for v in variables], variables)
    for variable, old in zip(variables, before, strict=True):
        factor = 0.95 if variable.name == "kernel" else 1.0
        assert variable.numpy() == pytest.approx(old * factor, abs=1e-6), variable.path
