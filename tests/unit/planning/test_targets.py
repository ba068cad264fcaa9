"""Which losses, outputs, data sets and metrics fit together."""

import itertools
import warnings
from typing import Any, get_args

import keras
import numpy as np
import pytest

from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.faults import SpecError
from ridgeline.spec.training import LossName, MetricName
from worker.engine.objective import build_loss, build_metrics

LOSS = "/training/loss"
SPARSE, ONE_HOT, BINARY = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
)
MSE = "mean_squared_error"


def head(units: int, activation: str = "linear") -> dict[str, Any]:
    return {"layers": [{"type": "Dense", "units": units, "activation": activation}]}


@pytest.mark.parametrize(
    ("name", "loss", "units", "activation", "encoding"),
    [
        ("digits", SPARSE, 10, "softmax", "index"),
        ("digits", ONE_HOT, 10, "softmax", "one_hot"),
        ("digits", ONE_HOT, 10, "sigmoid", "one_hot"),
        ("digits", BINARY, 10, "sigmoid", "one_hot"),
        ("digits", MSE, 10, "linear", "one_hot"),
        ("digits", "categorical_hinge", 10, "linear", "one_hot"),
        ("digits", "kl_divergence", 10, "softmax", "one_hot"),
        ("breast_cancer", BINARY, 1, "sigmoid", "binary"),
        ("breast_cancer", BINARY, 1, "hard_sigmoid", "binary"),
        ("breast_cancer", BINARY, 2, "softmax", "one_hot"),
        ("breast_cancer", SPARSE, 2, "softmax", "index"),
        ("breast_cancer", "hinge", 1, "tanh", "binary"),
        ("breast_cancer", "binary_focal_crossentropy", 1, "sigmoid", "binary"),
        ("digits", "categorical_focal_crossentropy", 10, "softmax", "one_hot"),
        ("digits", "categorical_generalized_cross_entropy", 10, "softmax", "index"),
        ("digits", "cosine_similarity", 10, "linear", "one_hot"),
        ("breast_cancer", MSE, 1, "linear", "binary"),
        ("diabetes", MSE, 1, "linear", "value"),
        ("diabetes", "huber", 1, "relu", "value"),
        ("diabetes", "poisson", 1, "exponential", "value"),
    ],
)
def test_the_encoding_follows_from_loss_and_output(
    name: str, loss: str, units: int, activation: str, encoding: str, make_spec: Any
) -> None:
    spec = make_spec(dataset={"name": name}, model=head(units, activation), training={"loss": loss})
    assert resolve(spec).encoding == encoding


@pytest.mark.parametrize("loss", [SPARSE, ONE_HOT, BINARY])
def test_a_loss_from_logits_accepts_a_linear_output(loss: str, make_spec: Any) -> None:
    training = {"loss": {"name": loss, "from_logits": True}}
    resolve(make_spec(dataset={"name": "breast_cancer"}, model=head(2), training=training))


@pytest.mark.parametrize(
    ("name", "loss", "output", "rule", "words"),
    [
        ("digits", SPARSE, (9, "softmax"), "loss-fits-output", ["(10)", "(9)", "'dense'"]),
        ("digits", BINARY, (1, "sigmoid"), "loss-fits-output", ["10 classes"]),
        ("breast_cancer", SPARSE, (1, "sigmoid"), "loss-fits-output", ["(2)"]),
        ("breast_cancer", ONE_HOT, (1, "sigmoid"), "loss-fits-output", ["(2)"]),
        ("breast_cancer", BINARY, (3, "sigmoid"), "loss-fits-output", ["(1) or (2)"]),
        ("breast_cancer", MSE, (3, "linear"), "loss-fits-output", ["(1) or (2)"]),
        ("breast_cancer", BINARY, (1, "softmax"), "loss-fits-activation", ["sigmoid"]),
        ("breast_cancer", BINARY, (1, "relu"), "loss-fits-activation", ["sigmoid", "from_logits"]),
        ("digits", SPARSE, (10, "linear"), "loss-fits-activation", ["softmax", "from_logits"]),
        (
            "digits",
            "categorical_generalized_cross_entropy",
            (10, "linear"),
            "loss-fits-activation",
            ['is "linear"; use "softmax"'],
        ),
        ("breast_cancer", "cosine_similarity", (1, "linear"), "loss-fits-output", ["(2)"]),
        ("diabetes", "cosine_similarity", (1, "linear"), "loss-fits-target", [MSE]),
        ("diabetes", SPARSE, (1, "linear"), "loss-fits-target", [MSE]),
        ("diabetes", BINARY, (1, "sigmoid"), "loss-fits-target", [MSE]),
        ("diabetes", "hinge", (1, "linear"), "loss-fits-target", [MSE]),
        ("diabetes", MSE, (2, "linear"), "loss-fits-output", ["(1)", "(2)"]),
    ],
)
def test_a_loss_that_fits_neither_data_nor_output_is_rejected(
    name: str,
    loss: str,
    output: tuple[int, str],
    rule: str,
    words: list[str],
    make_spec: Any,
    faults_of: Any,
) -> None:
    spec = make_spec(dataset={"name": name}, model=head(*output), training={"loss": loss})
    (fault,) = faults_of(lambda: resolve(spec))
    assert (fault.pointer, fault.rule) == (LOSS, rule)
    assert [word for word in words if word not in fault.detail] == []


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "hard_sigmoid"])
def test_probabilities_as_logits_are_rejected(
    activation: str, make_spec: Any, faults_of: Any
) -> None:
    training = {"loss": {"name": SPARSE, "from_logits": True}}
    spec = make_spec(model=head(10, activation), training=training)
    (fault,) = faults_of(lambda: resolve(spec))
    assert (fault.pointer, fault.rule) == (LOSS, "loss-fits-activation")


@pytest.mark.parametrize(
    "last",
    [
        [{"type": "Dense", "units": 10}, {"type": "Softmax"}],
        [{"type": "Dense", "units": 10}, {"type": "Activation", "activation": "softmax"}],
        [
            {
                "type": "SpectralNormalization",
                "layer": {"type": "Dense", "units": 10, "activation": "softmax"},
            }
        ],
    ],
)
def test_probabilities_of_an_activation_layer_are_accepted(
    last: list[dict[str, Any]], make_spec: Any, faults_of: Any
) -> None:
    resolve(make_spec({"metrics": ["accuracy"]}, model={"layers": last}))
    logits = {"loss": {"name": SPARSE, "from_logits": True}}
    (fault,) = faults_of(lambda: resolve(make_spec(logits, model={"layers": last})))
    assert fault.rule == "loss-fits-activation"


def test_an_activation_layer_without_probabilities_is_rejected(
    make_spec: Any, faults_of: Any
) -> None:
    layers = [{"type": "Dense", "units": 10}, {"type": "ReLU"}]
    (fault,) = faults_of(lambda: resolve(make_spec(model={"layers": layers})))
    assert 'is "relu"; use "softmax"' in fault.detail


TAKE_LOGITS = {SPARSE, ONE_HOT, BINARY, "binary_focal_crossentropy"} | {
    "categorical_focal_crossentropy"
}


@pytest.mark.parametrize("loss", sorted({*get_args(LossName)} - TAKE_LOGITS))
def test_only_crossentropies_accept_logits(loss: str, make_spec: Any, faults_of: Any) -> None:
    training = {"loss": {"name": loss, "from_logits": True}}
    spec = make_spec(dataset={"name": "breast_cancer"}, model=head(2), training=training)
    (fault,) = faults_of(lambda: resolve(spec))
    assert (fault.pointer, fault.rule) == ("/training/loss/from_logits", "loss-takes-logits")


CLASSES_ONLY = {"accuracy", "auc", "precision", "recall", "f1_score", BINARY}
COLUMNS = {"top_k_categorical_accuracy", ONE_HOT, "cosine_similarity"}


@pytest.mark.parametrize(
    ("name", "loss", "units", "activation", "misfits"),
    [
        ("diabetes", MSE, 1, "linear", CLASSES_ONLY | COLUMNS),
        ("breast_cancer", BINARY, 1, "sigmoid", {"r2_score"} | COLUMNS),
        ("digits", ONE_HOT, 10, "softmax", {"r2_score"}),
        (
            "digits",
            SPARSE,
            10,
            "softmax",
            {*get_args(MetricName)} - {"accuracy", "top_k_categorical_accuracy", ONE_HOT},
        ),
    ],
    ids=["value", "binary", "one_hot", "index"],
)
def test_metrics_that_fit_are_accepted_and_others_rejected(
    name: str, loss: str, units: int, activation: str, misfits: set[str], make_spec: Any
) -> None:
    rejected = set()
    for metric in get_args(MetricName):
        training = {"loss": loss, "metrics": [metric]}
        spec = make_spec(dataset={"name": name}, model=head(units, activation), training=training)
        try:
            resolve(spec)
        except SpecError as error:
            (fault,) = error.faults
            assert (fault.pointer, fault.rule) == ("/training/metrics/0", "metric-fits-target")
            assert metric in fault.detail
            rejected.add(metric)
    assert rejected == misfits


def test_every_wrong_metric_has_its_pointer(make_spec: Any, faults_of: Any) -> None:
    spec = make_spec(training={"metrics": ["accuracy", "auc", "accuracy", "r2_score"]})
    faults = faults_of(lambda: resolve(spec))
    assert [(fault.pointer, fault.rule) for fault in faults] == [
        ("/training/metrics/1", "metric-fits-target"),
        ("/training/metrics/2", "unique"),
        ("/training/metrics/3", "metric-fits-target"),
    ]


@pytest.mark.parametrize("loss", get_args(LossName))
def test_keras_computes_every_accepted_loss_and_metric(loss: str, make_spec: Any) -> None:
    """Every accepted loss and metric gives a number per batch in the engine."""
    accepted = 0
    combinations = itertools.product(
        ["iris", "breast_cancer", "diabetes"],
        [1, 2, 3],
        ["linear", "softmax", "sigmoid"],
        [False, True],
    )
    for name, units, activation, from_logits in combinations:
        loss_spec = {"name": loss, "from_logits": from_logits}
        for metrics in ([], *([metric] for metric in get_args(MetricName))):
            training = {"loss": loss_spec, "metrics": metrics}
            model = head(units, activation)
            spec = make_spec(dataset={"name": name}, model=model, training=training)
            try:
                resolution = resolve(spec)
            except SpecError:
                continue
            accepted += 1
            assert_computes(resolution, units, activation)
    assert accepted


def assert_computes(resolution: Resolution, units: int, activation: str) -> None:
    rows = 4
    target = {
        "index": np.arange(rows) % units,
        "one_hot": np.eye(units, dtype=np.float32)[np.arange(rows) % units],
        "binary": np.array([[0.0], [1.0], [1.0], [0.0]], np.float32),
        "value": np.array([[1.5], [200.0], [3.0], [40.0]], np.float32),
    }[resolution.encoding]
    logits = np.linspace(0.1, 2, rows * units, dtype=np.float32).reshape(rows, units)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted = keras.activations.get(activation)(keras.ops.array(logits))
    training = resolution.spec.training
    assert np.isfinite(float(build_loss(training.loss)(target, predicted)))
    for metric in build_metrics(training.metrics, training.loss, resolution.encoding).values():
        metric.update_state(target, predicted)
        assert np.isfinite(float(metric.result()))


@pytest.mark.parametrize("metric", ["auc", "precision", "recall"])
def test_thresholds_need_probabilities_or_one_margin(metric: str, make_spec: Any) -> None:
    """Logits and margins of several classes have no meaningful threshold."""
    linear = [{"type": "Dense", "units": 3}]
    for loss in (
        {"name": "categorical_crossentropy", "from_logits": True},
        {"name": "categorical_hinge"},
        {"name": "mean_squared_error"},
    ):
        spec = make_spec(
            dataset={"source": "builtin", "name": "iris"},
            model={"layers": linear},
            training={"loss": loss, "metrics": [metric]},
        )
        with pytest.raises(SpecError, match="gives probabilities"):
            resolve(spec)
    one = make_spec(
        dataset={"source": "builtin", "name": "breast_cancer"},
        model={"layers": [{"type": "Dense", "units": 1}]},
        training={
            "loss": {"name": "binary_crossentropy", "from_logits": True},
            "metrics": [metric],
        },
    )
    assert resolve(one).encoding == "binary"


@pytest.mark.parametrize("metric", ["f1_score", BINARY])
def test_scores_that_need_a_probability(metric: str, make_spec: Any) -> None:
    """F1 of one column has a threshold of ½; a crossentropy takes logits only if the loss does."""

    def of_margin(loss: Any) -> Any:
        training = {"loss": loss, "metrics": [metric]}
        return make_spec(dataset={"name": "breast_cancer"}, model=head(1), training=training)

    with pytest.raises(SpecError, match="gives probabilities"):
        resolve(of_margin("hinge"))
    logits = of_margin({"name": BINARY, "from_logits": True})
    if metric == "f1_score":
        with pytest.raises(SpecError, match="gives probabilities"):
            resolve(logits)
    else:
        assert resolve(logits).encoding == "binary"
