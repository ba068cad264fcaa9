"""Every name of the contract is one of Keras."""

from typing import get_args

import keras
import pytest

from ridgeline.contract.training import SGD, Adam, AdamW, Loss, LossName, MetricName, RMSprop
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from worker.engine.objective import build_loss, build_metrics
from worker.engine.optimizers import build_optimizer


@pytest.mark.parametrize("name", get_args(LossName))
def test_losses_are_keras_losses_of_that_name(name: str) -> None:
    built = build_loss(Loss(name=name))  # type: ignore[arg-type]
    assert type(built) is type(keras.losses.get(_class_name(name)))


def _class_name(name: str) -> str:
    special = {"kl_divergence": "KLDivergence"}
    return special.get(name, "".join(word.capitalize() for word in name.split("_")))


@pytest.mark.parametrize("name", get_args(MetricName))
def test_metrics_are_keras_metrics_of_that_name(name: MetricName) -> None:
    loss = Loss(name="categorical_crossentropy")
    built = build_metrics([name], loss, "one_hot")[name]
    expected = {"accuracy": "categorical_accuracy", "auc": "auc"}.get(name, name)
    assert type(built).__name__.lower() == expected.replace("_", "")


def test_margins_are_cut_at_zero() -> None:
    hinge = Loss(name="hinge")
    metrics = build_metrics(["accuracy", "precision", "auc"], hinge, "binary")
    for metric in metrics.values():
        metric.update_state([[0.0], [1.0]], [[-0.2], [0.2]])
        assert float(metric.result()) == 1.0


@pytest.mark.parametrize("optimizer", [Adam(), AdamW(), SGD(), RMSprop()])
def test_optimizer_arguments_arrive(optimizer: Adam | AdamW | SGD | RMSprop) -> None:
    config = build_optimizer(optimizer, []).get_config()
    for argument, value in optimizer.model_dump(exclude={"name"}).items():
        assert config[argument] == pytest.approx(value)


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
