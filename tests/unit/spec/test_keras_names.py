"""Names and defaults of the contract are Keras's own."""

import inspect
import re
from typing import Any, get_args

import keras
import pytest

from ridgeline.spec.layers import LAYERS, Layer
from ridgeline.spec.layers.augmentation import KERAS_VALUE_RANGE
from ridgeline.spec.layers.base import Activation, Initializer, snake_case
from ridgeline.spec.schema import Contract
from ridgeline.spec.training import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    EarlyStopping,
    Loss,
    LossName,
    MetricName,
    Optimizer,
    OptimizerName,
    ReduceLROnPlateau,
    Schedule,
)
from ridgeline.spec.training.losses import LOSS_ALIASES, METRIC_ALIASES, LossAlias, MetricAlias
from tests.unit.networks import sequence_layers, spatial_layers

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
#: Not of Keras.
OURS = {"DropPath", "DropBlock2D"}
KERAS_LAYERS = [name for name in LAYERS if name not in OURS]
#: Keras asks for it in the average poolings; the contract gives what the max poolings have.
REQUIRED_BY_KERAS = {(f"AveragePooling{rank}D", "pool_size") for rank in (1, 2, 3)}
#: What Keras's base class takes of every layer, beside the arguments a layer names.
OF_EVERY_LAYER = {"activity_regularizer": None}


@pytest.mark.parametrize("name", get_args(Activation))
def test_activations_are_keras_names(name: str) -> None:
    assert keras.activations.get(name) is getattr(keras.activations, name)


def test_every_activation_of_keras_but_two_is_offered() -> None:
    """`glu` halves an axis without Keras inferring it; `threshold` has no defaults."""
    every = {name for name, value in vars(keras.activations).items() if inspect.isfunction(value)}
    aliases = {"swish", "hard_swish"}
    assert every - {"get", "serialize", "deserialize"} - aliases == {
        *get_args(Activation),
        "glu",
        "threshold",
    }


@pytest.mark.parametrize("name", get_args(Initializer))
def test_initializers_are_keras_names(name: str) -> None:
    initializer = keras.initializers.get(name)
    assert snake_case(type(initializer).__name__) == name


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_take_keras_arguments_and_defaults(loss: type[Loss]) -> None:
    parameters = inspect.signature(getattr(keras.losses, loss.__name__)).parameters
    # Arguments that Keras's loss lacks are rejected if they are set.
    unsupported = {"from_logits"} if not loss.takes_logits else set()
    unsupported |= {"label_smoothing"} if loss.reads == "index" else set()
    assert defaults_of(loss, but=unsupported) == {
        name: parameters[name].default for name in defaults_of(loss, but=unsupported)
    }


@pytest.mark.parametrize("name", get_args(LossName))
def test_a_loss_is_named_after_its_class(name: str) -> None:
    assert LOSSES[name].__name__.lower() == name.replace("_", "")


@pytest.mark.parametrize(("alias", "name"), LOSS_ALIASES.items())
def test_loss_aliases_are_keras_names(alias: str, name: str) -> None:
    assert keras.losses.get(alias) is keras.losses.get(name)


@pytest.mark.parametrize(("alias", "name"), METRIC_ALIASES.items())
def test_metric_aliases_are_keras_names(alias: str, name: str) -> None:
    if alias != "acc":  # Keras tells which accuracy by the data
        assert type(keras.metrics.get(alias)) is type(keras.metrics.get(name))


def test_the_schema_lists_every_alias() -> None:
    assert set(LOSS_ALIASES) == set(get_args(LossAlias))
    assert set(METRIC_ALIASES) == set(get_args(MetricAlias))
    assert list(LOSSES) == sorted(LOSSES)
    assert set(LOSSES) == set(get_args(LossName))


@pytest.mark.parametrize("name", get_args(MetricName))
def test_metrics_are_keras_names(name: str) -> None:
    classes = {snake_case(name): name for name in dir(keras.metrics) if name[0].isupper()}
    assert issubclass(getattr(keras.metrics, classes[name]), keras.Metric)


@pytest.mark.parametrize("kind", KERAS_LAYERS)
def test_layers_take_keras_arguments_and_defaults(kind: str) -> None:
    layer = LAYERS[kind]
    parameters = inspect.signature(getattr(keras.layers, kind)).parameters
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
        elif argument == "activation" and keras_default is None:
            assert field.default == "linear"
        elif argument == "value_range":  # follows the data set; else Keras's
            assert field.default is None
            assert keras_default == KERAS_VALUE_RANGE
        else:
            same = SAME.get(keras_default, keras_default)
            assert (field.default, type(field.default)) == (same, type(same))


#: Not offered: channels are last always; LoRA and quantization are for models already trained.
LEFT_OUT = {
    "data_format",
    "name",
    "args",  # before Python 3.11.4 inspect finds those of a class without a constructor
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
    # Initial vectors would have to be stored first.
    assert missing == ({"weights"} if kind == "Embedding" else set())


def test_arguments_for_keras_exclude_regularizers(parse_layers: Any) -> None:
    """The engine builds the regularizers, since Keras has no scaling."""
    (layer,) = parse_layers({"type": "Dense", "units": 3, "kernel_regularizer": {"l2": 0.1}})
    assert layer.arguments() == {
        "units": 3,
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }


def test_linear_means_no_activation_in_keras() -> None:
    assert keras.activations.get(None) is keras.activations.get("linear")


OURS = {"weight_decay_on"}
#: For Keras a list of regular expressions: one could take an hour.
NOT_OFFERED = {"exclude_layers", "loss_scale_factor", "name", "kwargs"}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_take_keras_arguments_and_defaults(optimizer: type[Optimizer]) -> None:
    keras_class = getattr(keras.optimizers, optimizer.__name__)
    parameters = inspect.signature(keras_class).parameters
    assert optimizer.model_fields["name"].default == optimizer.__name__.lower()
    defaults = defaults_of(optimizer, but=OURS)
    assert defaults == {
        name: parameter.default for name, parameter in parameters.items() if name not in NOT_OFFERED
    }
    keras_class(**defaults)


def test_every_optimizer_is_offered() -> None:
    assert set(OPTIMIZERS) == set(get_args(OptimizerName))
    # Of ScheduleFreeAdamW Keras 3.15 does not give the averaged weights, with which to predict.
    others = {"LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
    others |= {"Optimizer", "ScheduleFreeAdamW"}
    known = {name for name in dir(keras.optimizers) if name[0].isupper()}
    assert {model.__name__ for model in OPTIMIZERS.values()} == known - others


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_schedules_take_keras_arguments_and_defaults(schedule: type[Schedule]) -> None:
    keras_class = getattr(keras.optimizers.schedules, schedule.__name__)
    parameters = inspect.signature(keras_class).parameters
    assert schedule.model_fields["name"].default == snake_case(schedule.__name__)
    assert set(schedule.model_fields) == set(parameters)
    for name, field in schedule.model_fields.items():
        if field.is_required():
            assert parameters[name].default is inspect.Parameter.empty
        elif name != "name":
            assert field.default == parameters[name].default


def test_every_schedule_is_offered() -> None:
    known = {name for name in dir(keras.optimizers.schedules) if name[0].isupper()}
    assert {model.__name__ for model in SCHEDULES.values()} == known - {"LearningRateSchedule"}


@pytest.mark.parametrize("callback", [EarlyStopping, ReduceLROnPlateau])
def test_callbacks_take_keras_arguments_and_defaults(callback: type[Contract]) -> None:
    """Except for the monitor, since Keras's val_loss includes the penalty."""
    parameters = inspect.signature(getattr(keras.callbacks, callback.__name__)).parameters
    assert set(callback.model_fields) == set(parameters) - {"verbose", "kwargs"}
    assert callback.model_fields["monitor"].default == "val_data_loss"
    defaults = defaults_of(callback, but={"monitor"})
    assert defaults == {name: parameters[name].default for name in defaults}


def defaults_of(model: type[Contract], *, but: set[str]) -> dict[str, Any]:
    fields = model.model_fields.items()
    return {name: field.default for name, field in fields if name not in {"name", *but}}


def required_arguments() -> dict[str, dict[str, Any]]:
    """A value for every required argument of each layer type."""
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
    required = {
        kind: {
            name: some.get(name)
            for name, parameter in inspect.signature(getattr(keras.layers, kind)).parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        }
        for kind in KERAS_LAYERS
    }
    wrapped = {
        "Bidirectional": {"layer": keras.layers.GRU(1)},
        "SpectralNormalization": {"layer": keras.layers.Dense(1)},
        "TimeDistributed": {"layer": keras.layers.Dense(1)},
    }
    return required | wrapped | sequence_layers.REQUIRED


@pytest.mark.parametrize(("name", "required"), required_arguments().items())
def test_default_layer_names_are_those_of_keras(name: str, required: dict[str, Any]) -> None:
    built = getattr(keras.layers, name)(**required)
    # Keras numbers the second layer of a class, and knows one class by two names.
    unnumbered = re.sub(r"_\d+$", "", built.name)
    assert snake_case(name) == unnumbered.replace("grouped_query", "group_query")
