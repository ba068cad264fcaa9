"""Names and defaults of the contract are Keras's own."""

import inspect
from typing import Any, get_args

import keras
import pytest

from ridgeline.contract.layers import LAYERS, Layer
from ridgeline.contract.layers.base import Activation, Initializer, snake_case
from ridgeline.contract.training import (
    SGD,
    Adam,
    AdamW,
    LossName,
    MetricName,
    Optimizer,
    OptimizerName,
    RMSprop,
)
from tests.unit.contract import sequence_layers

OPTIMIZERS: list[type[Optimizer]] = [Adam, AdamW, SGD, RMSprop]
#: Written otherwise, meaning the same in Keras: a pair for one number, None for no activation.
SAME = {(1, 1): 1, (2, 2): 2}
#: Not of Keras.
OURS = {"DropPath", "DropBlock2D"}
#: Keras asks for it; the contract gives what Keras's MaxPooling2D has.
REQUIRED_BY_KERAS = {("AveragePooling2D", "pool_size")}


@pytest.mark.parametrize("name", get_args(Activation))
def test_activations(name: str) -> None:
    assert keras.activations.get(name) is getattr(keras.activations, name)


@pytest.mark.parametrize("name", get_args(Initializer))
def test_initializers(name: str) -> None:
    initializer = keras.initializers.get(name)
    assert snake_case(type(initializer).__name__) == name


@pytest.mark.parametrize("name", get_args(LossName))
def test_losses(name: str) -> None:
    assert keras.losses.get(name) is not None


@pytest.mark.parametrize("name", get_args(MetricName))
def test_metrics(name: str) -> None:
    classes = {snake_case(each): each for each in dir(keras.metrics) if each[0].isupper()}
    assert issubclass(getattr(keras.metrics, classes[name]), keras.Metric)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in OURS])
def test_layers_take_keras_arguments_and_defaults(name: str) -> None:
    layer = LAYERS[name]
    parameters = inspect.signature(getattr(keras.layers, name)).parameters
    for argument, field in layer.model_fields.items():
        if argument in Layer.model_fields or argument == "type":
            continue
        keras_default = parameters[argument].default
        if (layer.type_name(), argument) in REQUIRED_BY_KERAS or field.is_required():
            assert keras_default is inspect.Parameter.empty
        elif argument == "activation" and keras_default is None:
            assert field.default == "linear"
        else:
            assert field.default == SAME.get(keras_default, keras_default)
            assert type(field.default) is type(SAME.get(keras_default, keras_default))


def test_arguments_are_for_keras_and_regularizers_apart(parse_layers: Any) -> None:
    """The engine builds the regularizers: Keras does not know their scaling."""
    (layer,) = parse_layers({"type": "Dense", "units": 3, "kernel_regularizer": {"l2": 0.1}})
    assert layer.arguments() == {
        "units": 3,
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }


def test_linear_is_keras_for_no_activation() -> None:
    assert keras.activations.get(None) is keras.activations.get("linear")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_take_keras_arguments_and_defaults(optimizer: type[Optimizer]) -> None:
    keras_class = getattr(keras.optimizers, optimizer.__name__)
    parameters = inspect.signature(keras_class).parameters
    defaults = {name: field.default for name, field in optimizer.model_fields.items()}
    assert defaults.pop("name") == optimizer.__name__.lower()
    assert defaults == {name: parameters[name].default for name in defaults}
    keras_class(**defaults)


def test_every_optimizer_is_tested() -> None:
    assert {each.model_fields["name"].default for each in OPTIMIZERS} == set(
        get_args(OptimizerName)
    )


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in OURS])
def test_default_names(name: str) -> None:
    required: dict[str, Any] = {
        "Activation": {"activation": "relu"},
        "AveragePooling2D": {"pool_size": 2},
        "Conv2D": {"filters": 1, "kernel_size": 1},
        "Dense": {"units": 1},
        "Dropout": {"rate": 0.5},
        "Reshape": {"target_shape": (1,)},
        "SpatialDropout2D": {"rate": 0.5},
        "Bidirectional": {"layer": keras.layers.GRU(1)},
        "SpectralNormalization": {"layer": keras.layers.Dense(1)},
        "TimeDistributed": {"layer": keras.layers.Dense(1)},
        **sequence_layers.REQUIRED,
    }
    keras.backend.clear_session()
    built = getattr(keras.layers, name)(**required.get(name, {}))
    # Keras knows one class by two names.
    assert snake_case(name) == built.name.replace("grouped_query", "group_query")
