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
from tests.unit.contract import spatial_layers

OPTIMIZERS: list[type[Optimizer]] = [Adam, AdamW, SGD, RMSprop]
#: Written otherwise, meaning the same in Keras: a tuple for one number, an alias for a name.
SAME = {
    (1, 1): 1,
    (2, 2): 2,
    (1, 1, 1): 1,
    (2, 2, 2): 2,
    ((0, 0), (0, 0)): 0,
    ((1, 1), (1, 1), (1, 1)): 1,
    "uniform": "random_uniform",
    "Zeros": "zeros",
}
#: Keras asks for it in the average poolings; the contract gives what the max poolings have.
REQUIRED_BY_KERAS = {(f"AveragePooling{rank}D", "pool_size") for rank in (1, 2, 3)}
#: What Keras's base class takes of every layer, beside the arguments a layer names.
OF_EVERY_LAYER = {"activity_regularizer": None}


@pytest.mark.parametrize("name", get_args(Activation))
def test_activations(name: str) -> None:
    assert keras.activations.get(name) is getattr(keras.activations, name)


def test_every_activation_but_two() -> None:
    """`glu` halves an axis, which Keras's own shapes do not know; `threshold` has no defaults."""
    every = {name for name, each in vars(keras.activations).items() if inspect.isfunction(each)}
    aliases = {"swish", "hard_swish"}
    assert every - {"get", "serialize", "deserialize"} - aliases == {
        *get_args(Activation),
        "glu",
        "threshold",
    }


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


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_layers_take_keras_arguments_and_defaults(layer: type[Layer]) -> None:
    parameters = inspect.signature(getattr(keras.layers, layer.type_name())).parameters
    for name, field in layer.model_fields.items():
        if name in Layer.model_fields or name == "type":
            continue
        argument = field.alias or name
        if argument not in parameters:
            assert field.default == OF_EVERY_LAYER[argument]
            continue
        keras_default = parameters[argument].default
        if (layer.type_name(), argument) in REQUIRED_BY_KERAS or field.is_required():
            assert keras_default is inspect.Parameter.empty
        elif argument == "activation":
            assert (field.default, keras_default) == ("linear", None)
        else:
            same = SAME.get(keras_default, keras_default)
            assert (field.default, type(field.default)) == (same, type(same))


#: Not offered: channels are last always; LoRA and quantization are for models already trained.
LEFT_OUT = {
    "data_format",
    "name",
    "kwargs",
    "lora_rank",
    "lora_alpha",
    "quantization_config",
    "gptq_unpacked_column_size",
}


@pytest.mark.parametrize("kind", spatial_layers.ARGUMENTS)
def test_layers_take_every_argument_of_keras(kind: str) -> None:
    parameters = inspect.signature(getattr(keras.layers, kind)).parameters
    fields = {field.alias or name for name, field in LAYERS[kind].model_fields.items()}
    missing = set(parameters) - fields - LEFT_OUT
    # Starting vectors would be an upload of their own.
    assert missing == ({"weights"} if kind == "Embedding" else set())


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


def required_arguments() -> dict[str, dict[str, Any]]:
    """Something for what each layer type asks for."""
    some = {
        "activation": "relu",
        "axes": 1,
        "dims": (1,),
        "equation": "ab,bc->ac",
        "filters": 1,
        "input_dim": 2,
        "kernel_size": 1,
        "n": 1,
        "output_dim": 1,
        "output_shape": 1,
        "output_size": 1,
        "pool_size": 2,
        "rate": 0.5,
        "scale": 1.0,
        "target_shape": (1,),
        "units": 1,
    }
    return {
        kind: {
            name: some[name]
            for name, each in inspect.signature(getattr(keras.layers, kind)).parameters.items()
            if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        }
        for kind in LAYERS
    }


@pytest.mark.parametrize(("name", "required"), required_arguments().items(), ids=LAYERS)
def test_default_names(name: str, required: dict[str, Any]) -> None:
    keras.backend.clear_session()
    built = getattr(keras.layers, name)(**required)
    assert snake_case(name) == built.name
