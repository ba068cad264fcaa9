"""Every loss with every activation of the output, on targets of every range."""

import json
from collections.abc import Callable
from typing import Any, get_args

import keras
import numpy as np
import pytest

from ridgeline.planning.advice import Advice
from ridgeline.planning.graph import build_graph
from ridgeline.planning.loss_fit import misfits
from ridgeline.planning.output_range import Range, is_constant, output_activation, output_range
from ridgeline.planning.resolve import resolve
from ridgeline.planning.wiring import wire
from ridgeline.spec.faults import Fault, SpecError
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers.base import Activation
from ridgeline.spec.training.losses import MeanSquaredError
from tests.unit.planning.dataset.stored import number, stored_spec, table

MakeSpec = Callable[..., JobSpec]
NORMALIZED = {"softmax", "sparsemax", "log_softmax"}


def output(*layers: dict[str, Any], make_spec: MakeSpec) -> Any:
    spec = make_spec(model={"layers": list(layers)})
    return build_graph(wire(spec.model.layers), (64,))


def judged(spec: JobSpec) -> tuple[list[Fault], list[Advice]]:
    """The faults, or else the advice on loss and output."""
    try:
        advice = resolve(spec).advice
    except SpecError as error:
        return list(error.faults), []
    return [], [each for each in advice if each.id in ("loss-and-activation", "loss-and-target")]


def of_range(low: float, high: float, activation: str, loss: str) -> tuple[list[Fault], list[Any]]:
    """What is said of a stored real-valued target from low to high."""
    dataset = table(number("x"), number("y", low, high))
    model = {"layers": [{"type": "Dense", "units": 1, "activation": activation}]}
    options = {"target": "y", "task": "regression"}
    spec = stored_spec(dataset, units=1, **options)
    return judged(JobSpec.model_validate_json(json_with(spec, model, loss)))


def json_with(spec: JobSpec, model: dict[str, Any], loss: str) -> str:
    body = json.loads(spec.model_dump_json())
    return json.dumps(body | {"model": model, "training": {"loss": loss}})


def of_classes(
    name: str, units: int, activation: str, loss: Any, make_spec: MakeSpec
) -> tuple[list[Fault], list[Any]]:
    model = {"layers": [{"type": "Dense", "units": units, "activation": activation}]}
    return judged(make_spec(dataset={"name": name}, model=model, training={"loss": loss}))


# What the output can give ------------------------------------------------------------------------


@pytest.mark.parametrize("activation", get_args(Activation))
def test_ranges_are_those_of_keras_activations(activation: str, make_spec: MakeSpec) -> None:
    last = {"type": "Dense", "units": 3, "activation": activation}
    span = output_range(output(last, make_spec=make_spec))
    assert span is not None
    x = np.concatenate([np.linspace(-20, 20, 40_001), [-1e6, 1e6]]).astype(np.float32)
    if activation in NORMALIZED:
        x = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)
    y = np.array(keras.activations.get(activation)(x))
    for bound, reached in zip(span, (y.min(), y.max()), strict=True):
        if np.isfinite(bound):
            assert reached == pytest.approx(bound, abs=1e-3)
        else:
            assert abs(reached) > 1e4


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"type": "Dense", "units": 3}, {"type": "ReLU", "max_value": 4.0}], Range(0, 4)),
        ([{"type": "Dense", "units": 3}, {"type": "LeakyReLU"}], Range(-np.inf, np.inf)),
        ([{"type": "Dense", "units": 3}, {"type": "ELU", "alpha": 0.5}], Range(-0.5, np.inf)),
        (
            [
                {"type": "Dense", "units": 3, "activation": "sigmoid"},
                {"type": "Dropout", "rate": 0.5},
                {"type": "Reshape", "target_shape": [3]},
            ],
            Range(0, 1),
        ),
        (
            [
                {"type": "Reshape", "target_shape": [8, 8]},
                {"type": "LSTM", "units": 3, "activation": "softplus"},
            ],
            Range(0, np.inf),
        ),
        ([{"type": "Dense", "units": 3}, {"type": "BatchNormalization"}], None),
    ],
)
def test_the_range_of_other_outputs(
    layers: list[dict[str, Any]], expected: Range | None, make_spec: MakeSpec
) -> None:
    assert output_range(output(*layers, make_spec=make_spec)) == expected


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("activation", get_args(Activation))
def test_one_unit_is_constant_under_a_normalizing_activation(
    activation: str, make_spec: MakeSpec
) -> None:
    graph = output({"type": "Dense", "units": 1, "activation": activation}, make_spec=make_spec)
    y = np.array(keras.activations.get(activation)(np.array([[-1.0], [0.3], [2.0]], np.float32)))
    assert is_constant(graph) == (np.ptp(y) == 0) == (activation in NORMALIZED)
    assert output_activation(graph) == activation


# Whether it fits ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "activation", "low", "high", "rule"),
    [
        ("mean_squared_error", "softmax", 0, 1, "loss-fits-activation"),
        ("mean_absolute_error", "sparsemax", 0, 1, "loss-fits-activation"),
        ("huber", "log_softmax", 0, 1, "loss-fits-activation"),
        ("mean_squared_error", "sigmoid", 5, 50, "loss-fits-activation"),
        ("log_cosh", "relu", -5, -1, "loss-fits-activation"),
        ("mean_absolute_error", "log_sigmoid", 1, 2, "loss-fits-activation"),
        ("poisson", "linear", 0, 9, "loss-fits-activation"),
        ("poisson", "tanh", 0, 1, "loss-fits-activation"),
        ("poisson", "silu", 0, 9, "loss-fits-activation"),
        ("poisson", "exponential", -1, 9, "loss-fits-target"),
        ("mean_squared_logarithmic_error", "log_sigmoid", 0, 9, "loss-fits-activation"),
        ("mean_squared_logarithmic_error", "linear", -5, 0, "loss-fits-target"),
        ("mean_squared_error", "tanh", -2, 2, "loss-and-activation"),
        ("mean_squared_error", "sigmoid", 0, 2, "loss-and-activation"),
        ("mean_absolute_percentage_error", "relu", -2, 9, "loss-and-activation"),
        ("poisson", "relu", 0, 9, "loss-and-activation"),
        ("mean_squared_logarithmic_error", "linear", 0, 9, "loss-and-activation"),
        ("mean_squared_logarithmic_error", "softplus", -1, 9, "loss-and-target"),
        ("mean_absolute_percentage_error", "linear", 0, 9, "loss-and-target"),
    ],
)
def test_a_misfit_on_real_values(
    loss: str, activation: str, low: float, high: float, rule: str
) -> None:
    faults, advice = of_range(low, high, activation, loss)
    assert rule in [each.rule for each in faults] + [each.id for each in advice]
    assert {each.pointer for each in (*faults, *advice)} == {"/training/loss"}


@pytest.mark.parametrize(
    ("loss", "activation", "low", "high"),
    [
        ("mean_squared_error", "linear", -5, 5),
        ("mean_squared_error", "sigmoid", 0, 1),
        ("mean_absolute_error", "tanh", -1, 1),
        ("huber", "relu", 0, 50),
        ("poisson", "exponential", 0, 9),
        ("poisson", "softplus", 0, 9),
        ("mean_squared_logarithmic_error", "relu", 0, 9),
        ("mean_absolute_percentage_error", "linear", 1, 9),
    ],
)
def test_nothing_is_said_of_what_fits(loss: str, activation: str, low: float, high: float) -> None:
    assert of_range(low, high, activation, loss) == ([], [])


@pytest.mark.parametrize(
    ("loss", "units", "activation", "rule"),
    [
        ("hinge", 1, "sigmoid", "loss-fits-activation"),
        ("squared_hinge", 1, "relu", "loss-fits-activation"),
        ("hinge", 1, "log_sigmoid", "loss-fits-activation"),
        ("hinge", 1, "softmax", "loss-fits-activation"),
        ("hinge", 1, "gelu", "loss-and-activation"),
        ("hinge", 2, "softmax", "loss-and-activation"),
        ("categorical_hinge", 2, "softmax", "loss-and-activation"),
        ("categorical_hinge", 2, "log_softmax", "loss-and-activation"),
        ("kl_divergence", 2, "sigmoid", "loss-fits-activation"),
        ("kl_divergence", 2, "linear", "loss-fits-activation"),
        ("categorical_generalized_cross_entropy", 2, "sigmoid", "loss-fits-activation"),
        ({"name": "binary_crossentropy", "from_logits": True}, 1, "relu", "loss-fits-activation"),
        ({"name": "binary_crossentropy", "from_logits": True}, 1, "tanh", "loss-and-activation"),
        ("mean_squared_error", 1, "log_sigmoid", "loss-fits-activation"),
        ("mean_squared_error", 2, "log_softmax", "loss-and-activation"),
        ("poisson", 2, "linear", "loss-fits-activation"),
        ("mean_absolute_percentage_error", 2, "softmax", "loss-and-target"),
        ("hinge", 1, "tanh", None),
        ("hinge", 1, "linear", None),
        ("categorical_hinge", 2, "linear", None),
        ("kl_divergence", 2, "softmax", None),
        ("categorical_crossentropy", 2, "sigmoid", None),
        ("mean_squared_error", 1, "sigmoid", None),
        ("cosine_similarity", 2, "linear", None),
        ("poisson", 2, "softmax", None),
    ],
)
def test_losses_on_classes(
    loss: Any, units: int, activation: str, rule: str | None, make_spec: MakeSpec
) -> None:
    faults, advice = of_classes("breast_cancer", units, activation, loss, make_spec)
    said = [each.rule for each in faults] + [each.id for each in advice]
    assert said == ([] if rule is None else [rule])


def test_targets_of_unknown_range_are_not_judged(make_spec: MakeSpec) -> None:
    graph = output({"type": "Dense", "units": 1, "activation": "sigmoid"}, make_spec=make_spec)
    loss = MeanSquaredError()
    assert list(misfits(loss, "value", graph, None)) == []
    (misfit,) = misfits(loss, "value", graph, Range(0, 9))
    assert not misfit.fatal
