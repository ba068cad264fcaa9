"""Rules on penalties, constraints, normalization, training, data: where they apply, and not."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ridgeline.planning.advice import RULES, Advice
from ridgeline.planning.resolve import resolve
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec

Json = dict[str, Any]

DENSE: Json = {"type": "Dense", "units": 8, "activation": "relu"}
LINEAR: Json = {"type": "Dense", "units": 8}
OUT: Json = {"type": "Dense", "units": 10, "activation": "softmax"}
IMAGE: Json = {"type": "Reshape", "target_shape": [8, 8, 1]}
CONV: Json = {"type": "Conv2D", "filters": 2, "kernel_size": 3}
FLAT: Json = {"type": "Flatten"}
NORM: Json = {"type": "BatchNormalization"}
DROP: Json = {"type": "Dropout", "rate": 0.4}
SEQUENCE: Json = {"type": "Reshape", "target_shape": [8, 8]}
LSTM: Json = {"type": "LSTM", "units": 4}
WIDE: Json = {"type": "Dense", "units": 64, "activation": "relu"}
NOISE: Json = {"type": "GaussianNoise", "stddev": 0.1}
L1: Json = {"l1": 0.001}
L2: Json = {"l2": 0.001}
L2_EVERYWHERE: Json = {"weights": L2}


def sgd(rate: Any = 0.1, **fields: Any) -> Json:
    return {"optimizer": {"name": "sgd", "learning_rate": rate, **fields}}


def remarks(make_spec: Any, rule: str, *layers: Json, **sections: Any) -> list[Advice]:
    if layers:
        sections["model"] = {"layers": layers}
    return [remark for remark in resolve(make_spec(**sections)).advice if remark.id == rule]


def pointers(make_spec: Any, rule: str, *layers: Json, **sections: Any) -> list[str]:
    return [remark.pointer for remark in remarks(make_spec, rule, *layers, **sections)]


# Penalties ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("penalty", "training", "number"),
    [
        ({"l2": 5.0}, sgd(0.1), "η·2c = 0.1·2·5 = 1"),
        # η·λ/n: n is the batch
        ({"l2": 320.0, "scaling": "textbook"}, sgd(0.1), "η·λ/n = η·2c = 0.1·2·5 = 1"),
        ({"l2": 500.0}, {}, "η·2c = 0.001·2·500 = 1"),  # Adam's own rate
        (
            {"l2": 5.0},
            sgd({"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 9}),
            "= 1",
        ),
    ],
)
def test_a_penalty_whose_step_erases_weights_is_remarked(
    penalty: Json, training: Json, number: str, make_spec: Any
) -> None:
    for sections, at in (
        ({"regularization": {"weights": penalty}}, "/regularization/weights/l2"),
        (
            {"model": {"layers": [DENSE | {"kernel_regularizer": penalty}, OUT]}},
            "/model/layers/0/kernel_regularizer/l2",
        ),
    ):
        (advice,) = remarks(make_spec, "penalty-erases-weights", training=training, **sections)
        assert (advice.pointer, advice.severity) == (at, "warning")
        assert number in advice.message
        assert ("adam rescales" in advice.message) == (not training)


@pytest.mark.parametrize(
    ("penalty", "training"),
    [
        ({"l2": 4.9}, sgd(0.1)),
        ({"l2": 319.0, "scaling": "textbook"}, sgd(0.1)),
        ({"l2": 1437.0 * 9, "scaling": "textbook", "n": "rows"}, sgd(0.1)),
        ({"l2": 400.0}, {}),
        ({"l1": 1.0}, sgd(0.1)),
        ({"orthogonal": {"factor": 100.0}}, sgd(0.1)),
    ],
)
def test_a_penalty_with_a_small_step_is_not_remarked(
    penalty: Json, training: Json, make_spec: Any
) -> None:
    sections = {"regularization": {"weights": penalty}, "training": training}
    assert not pointers(make_spec, "penalty-erases-weights", **sections)


def test_an_l1_step_as_large_as_the_initial_weights_is_remarked(make_spec: Any) -> None:
    """Glorot over 64 and 16 units: √(2/80) = 0.158; over 16 and 10: √(2/26) = 0.277."""
    rule, training = "penalty-erases-weights", sgd(0.1)
    for l1, remarked in ((1.58, 0), (1.59, 1), (2.8, 1)):
        advice = remarks(make_spec, rule, regularization={"weights": {"l1": l1}}, training=training)
        assert [remark.pointer for remark in advice] == ["/regularization/weights/l1"] * remarked
    assert "0.158" in advice[0].message


def test_weight_decay_whose_step_erases_weights_is_remarked(make_spec: Any) -> None:
    rule = "penalty-erases-weights"
    paths = pointers(make_spec, rule, training=sgd(0.5, weight_decay=2.0))
    assert paths == ["/training/optimizer/weight_decay"]
    assert not pointers(make_spec, rule, training=sgd(0.5, weight_decay=1.9))


def test_l1_as_a_penalty_is_remarked_and_proximal_l1_is_not(make_spec: Any) -> None:
    rule = "l1-without-zeros"
    advice = remarks(make_spec, rule, regularization={"weights": L1})
    assert [(remark.pointer, remark.severity) for remark in advice] == [
        ("/regularization/weights/l1", "info")
    ]
    assert not pointers(make_spec, rule, regularization={"weights": L1 | {"l1_mode": "proximal"}})
    assert not pointers(make_spec, rule, regularization=L2_EVERYWHERE)
    # sparse outputs are another matter
    assert not pointers(make_spec, rule, regularization={"activity": L1})


# Techniques --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "pointer", "differs"),
    [
        ({"name": "sgd", "weight_decay": 0.1}, "/training/optimizer/weight_decay", False),
        ({"name": "adam", "weight_decay": 0.1}, "/training/optimizer/weight_decay", True),
        ("adamw", "/training/optimizer", True),  # 0.004 by default
        ({"name": "lion", "weight_decay": 1.0}, "/training/optimizer/weight_decay", True),
    ],
)
def test_l2_with_weight_decay_is_remarked(
    optimizer: Any, pointer: str, differs: bool, make_spec: Any
) -> None:
    rule, training = "l2-with-weight-decay", {"optimizer": optimizer}
    (advice,) = remarks(make_spec, rule, regularization=L2_EVERYWHERE, training=training)
    assert (advice.pointer, advice.severity) == (pointer, "warning")
    assert ("differ with" in advice.message) == differs


@pytest.mark.parametrize(
    ("regularization", "optimizer"),
    [
        (L2_EVERYWHERE, {"name": "adamw", "weight_decay": 0.0}),
        (L2_EVERYWHERE, "adam"),
        ({}, "adamw"),
        ({"weights": L1}, "adamw"),
        ({"activity": L2}, "adamw"),
        ({"bias": L2}, "adamw"),  # which spares biases
    ],
)
def test_l2_and_weight_decay_apart_are_not_remarked(
    regularization: Json, optimizer: Any, make_spec: Any
) -> None:
    sections = {"regularization": regularization, "training": {"optimizer": optimizer}}
    assert not pointers(make_spec, "l2-with-weight-decay", **sections)


def test_l2_on_biases_with_weight_decay_on_all_is_remarked(make_spec: Any) -> None:
    training = {"optimizer": {"name": "adamw", "weight_decay_on": "all"}}
    sections = {"regularization": {"bias": L2}, "training": training}
    assert pointers(make_spec, "l2-with-weight-decay", **sections) == ["/training/optimizer"]


@pytest.mark.parametrize(
    "layers",
    [
        [DENSE, {"type": "GaussianDropout", "rate": 0.3}, OUT],
        [DENSE, {"type": "AlphaDropout", "rate": 0.3}, OUT],
        [SEQUENCE, {"type": "SpatialDropout1D", "rate": 0.3}, FLAT, OUT],
        [SEQUENCE, LSTM | {"dropout": 0.3}, OUT],
        [SEQUENCE, LSTM | {"recurrent_dropout": 0.3}, OUT],
        [SEQUENCE, {"type": "Bidirectional", "layer": LSTM | {"dropout": 0.3}}, OUT],
    ],
)
def test_every_kind_of_dropout_counts_as_dropout(layers: list[Json], make_spec: Any) -> None:
    (advice,) = remarks(make_spec, "one-technique-only", *layers)
    assert advice.message.startswith("Only dropout is used")
    assert not remarks(make_spec, "one-technique-only", *layers, regularization=L2_EVERYWHERE)


def test_weight_decay_counts_as_l2(make_spec: Any) -> None:
    """The note calls L2 weight decay; advising both would contradict l2-with-weight-decay."""
    rule, training = "one-technique-only", {"optimizer": "adamw"}
    assert not remarks(make_spec, rule, DENSE, DROP, OUT, training=training)
    (advice,) = remarks(make_spec, rule, DENSE, OUT, training=training)
    assert advice.message.startswith("Only L2 is used")


# Dropout and batch normalization -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([DENSE, DROP, NORM, OUT], ["/model/layers/1"]),
        ([DENSE, DROP, DENSE, NORM, OUT], ["/model/layers/1"]),
        ([DROP, DENSE, DROP, NORM, DENSE, NORM, OUT], ["/model/layers/0", "/model/layers/2"]),
        ([DENSE, NORM, DROP, OUT], []),
        ([DENSE, DROP | {"rate": 0.0}, NORM, OUT], []),
        ([DENSE, DROP, {"type": "LayerNormalization"}, OUT], []),
    ],
)
def test_dropout_before_batch_normalization_is_remarked(
    layers: list[Json], expected: list[str], make_spec: Any
) -> None:
    assert sorted(pointers(make_spec, "dropout-before-batch-normalization", *layers)) == expected


def test_policy_dropout_before_batch_normalization_is_remarked(make_spec: Any) -> None:
    rule = "dropout-before-batch-normalization"
    for after, at in (
        ({}, "/regularization/dropout"),
        ({"after": ["dense"]}, "/regularization/dropout/after"),
    ):
        policy = {"dropout": {"rate": 0.3, **after}}
        assert pointers(make_spec, rule, DENSE, DENSE, NORM, OUT, regularization=policy) == [at]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([LINEAR, NORM, OUT], ["/regularization/weights/l2"]),
        ([IMAGE, CONV, NORM, FLAT, OUT], ["/regularization/weights/l2"]),
        (
            [LINEAR | {"kernel_regularizer": L2}, NORM, OUT],
            ["/model/layers/0/kernel_regularizer/l2"],
        ),
        ([DENSE, NORM, OUT], []),  # its activation is in between
        ([LINEAR, OUT], []),
        ([LINEAR | {"kernel_regularizer": None}, NORM, OUT], []),
        ([LINEAR | {"kernel_regularizer": L1}, NORM, OUT], []),
    ],
)
def test_l2_before_batch_normalization_is_remarked(
    layers: list[Json], expected: list[str], make_spec: Any
) -> None:
    rule = "l2-before-batch-normalization"
    assert pointers(make_spec, rule, *layers, regularization=L2_EVERYWHERE) == expected


# Constraints -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ({"type": "MaxNorm"}, "/model/layers/1/kernel_constraint"),
        ({"type": "UnitNorm", "axis": 0}, "/model/layers/1/kernel_constraint/axis"),
        ({"type": "MinMaxNorm", "axis": [0]}, "/model/layers/1/kernel_constraint/axis"),
        ({"type": "MaxNorm", "axis": [0, 1, 2]}, None),
        ({"type": "NonNeg"}, None),
    ],
)
def test_norms_over_one_line_of_a_window_are_remarked(
    constraint: Json, expected: str | None, make_spec: Any
) -> None:
    layers = [IMAGE, CONV | {"kernel_constraint": constraint}, FLAT, OUT]
    advice = remarks(make_spec, "max-norm-axis", *layers)
    assert [remark.pointer for remark in advice] == ([expected] if expected else [])
    assert all("axis [0, 1, 2]" in remark.message for remark in advice)


def test_norms_of_the_policy_over_one_line_are_remarked(make_spec: Any) -> None:
    rule, layers = "max-norm-axis", [IMAGE, CONV, FLAT, OUT]
    policy = {"constraint": {"type": "MaxNorm", "axis": 0}}
    assert pointers(make_spec, rule, *layers, regularization=policy) == [
        "/regularization/constraint/axis"
    ]
    # without an axis the policy takes the right ones, and a Dense kernel's is 0
    policy = {"constraint": {"type": "MaxNorm"}}
    assert not pointers(make_spec, rule, *layers, regularization=policy)
    dense = DENSE | {"kernel_constraint": {"type": "MaxNorm", "axis": 0}}
    assert not pointers(make_spec, rule, dense, OUT)


# Training and data -------------------------------------------------------------------------------


def stopping(monitor: str) -> Json:
    return {"early_stopping": {"monitor": monitor}}


@pytest.mark.parametrize("monitor", ["loss", "val_loss"])
def test_early_stopping_on_a_penalized_loss_is_remarked(monitor: str, make_spec: Any) -> None:
    rule, training = "early-stopping-on-penalised-loss", stopping(monitor)
    (advice,) = remarks(make_spec, rule, regularization=L2_EVERYWHERE, training=training)
    assert advice.pointer == "/training/early_stopping/monitor"
    assert "monitor val_data_loss" in advice.message
    assert not remarks(make_spec, rule, training=training)  # equal without a penalty


def test_early_stopping_on_the_data_loss_is_not_remarked(make_spec: Any) -> None:
    rule, sections = "early-stopping-on-penalised-loss", {"regularization": L2_EVERYWHERE}
    assert not remarks(make_spec, rule, training={"early_stopping": {}}, **sections)
    assert not remarks(make_spec, rule, training=stopping("data_loss"), **sections)


def test_a_network_that_can_memorize_the_rows_is_remarked(make_spec: Any) -> None:
    """Digits: 1,438 training rows of 64 features, so 2,940; 64-64-10 has 4,810 parameters."""
    (advice,) = remarks(make_spec, "data-too-small", WIDE, OUT)
    assert (advice.pointer, advice.severity) == ("/dataset", "warning")
    assert "4,810 trainable parameters for 1,438 training rows" in advice.message
    assert "= 2,940" in advice.message
    housing = {"source": "keras", "name": "california_housing", "rows": 20}
    (advice,) = remarks(
        make_spec,
        "data-too-small",
        WIDE,
        {"type": "Dense", "units": 1},
        dataset=housing,
        training={"loss": "mean_squared_error"},
    )
    assert advice.pointer == "/dataset/rows"


@pytest.mark.parametrize(
    ("layers", "sections"),
    [
        ([DENSE, OUT], {}),
        ([WIDE, DROP, OUT], {}),
        ([NOISE, WIDE, OUT], {}),
        ([WIDE | {"kernel_constraint": {"type": "MaxNorm"}}, OUT], {}),
        ([IMAGE, {"type": "RandomRotation", "factor": 0.1}, FLAT, WIDE, OUT], {}),
        ([WIDE, OUT], {"regularization": L2_EVERYWHERE}),
        ([WIDE, OUT], {"regularization": {"dropout": {"rate": 0.3}}}),
        ([WIDE, OUT], {"training": {"optimizer": "adamw"}}),
        ([WIDE, OUT], {"training": {"early_stopping": {}}}),
        (
            [WIDE, OUT],
            {"training": {"loss": {"name": "categorical_crossentropy", "label_smoothing": 0.1}}},
        ),
    ],
)
def test_a_small_or_regularized_network_is_not_remarked(
    layers: Any, sections: Json, make_spec: Any
) -> None:
    assert not remarks(make_spec, "data-too-small", *layers, **sections)


# Raises ------------------------------------------------------------------------------------------

RAISES: Json = {
    "dropout": {"rate": 0.3, "raise_on_overfit": {"to": 0.5}},
    "weights": {"l2": 0.001, "raise_on_overfit": {"to": 0.1, "factor": 10.0}},
}


@pytest.mark.parametrize("part", RAISES)
def test_a_raise_without_validation_rows_is_rejected(
    part: str, make_spec: Any, faults_of: Any
) -> None:
    policy = {part: RAISES[part]}
    resolve(make_spec(regularization=policy))
    spec = make_spec(regularization=policy, split={"validation": 0.0})
    (fault,) = faults_of(lambda: resolve(spec))
    assert fault.pointer == f"/regularization/{part}/raise_on_overfit"
    assert fault.rule == "raise-needs-validation"


# All of them -------------------------------------------------------------------------------------


def test_rule_ids_are_unique_and_documented() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.source and rule.check.__doc__ for rule in RULES)


PENALTIES = st.sampled_from([L1, L2, {"l2": 600.0}, {"l1": 0.1, "l2": 0.1}, None])
NORMS = st.sampled_from([{"type": "MaxNorm"}, {"type": "UnitNorm", "axis": 0}, {"type": "NonNeg"}])
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "weights": PENALTIES,
        "bias": PENALTIES,
        "constraint": NORMS,
        "dropout": st.fixed_dictionaries(
            {"rate": st.sampled_from([0.0, 0.1, 0.3])},
            optional={"after": st.sampled_from([["dense"], ["conv", "pooling"]])},
        ),
    },
)
TRAININGS = st.fixed_dictionaries(
    {},
    optional={
        "optimizer": st.sampled_from(
            ["sgd", "adamw", {"name": "sgd", "learning_rate": 1.0, "weight_decay": 2.0}]
        ),
        "early_stopping": st.sampled_from([{"monitor": "val_loss"}, {}]),
    },
)


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_every_pointer_of_advice_exists_in_the_spec(
    data: st.DataObject, networks: Any, make_spec: Any
) -> None:
    """In the spec as posted, and in the resolved spec for advice on that."""
    _, layers = data.draw(networks(input_shape=(64,), fits=True))
    for layer in layers:
        if layer["type"] in ("Dense", "Conv2D") and data.draw(st.booleans()):
            layer["kernel_regularizer"] = data.draw(PENALTIES)
    sections = data.draw(st.fixed_dictionaries({}, optional={"regularization": POLICIES}))
    training = {"loss": {"name": "categorical_crossentropy"}} | data.draw(TRAININGS)
    model = {"layers": [*layers, FLAT, OUT]}
    spec = make_spec(model=model, training=training, **sections)
    try:
        resolution = resolve(spec)
    except SpecError:
        return
    assert_pointers_exist(spec, resolution.advice)
    again = resolve(resolution.spec)
    assert_pointers_exist(resolution.spec, again.advice)
    before, after = ({remark.id for remark in one.advice} for one in (resolution, again))
    assert not after - before - LATE


#: Rules that look at dropout layers the user wrote: in a resolved spec the policy's are such.
LATE = {"dropout-rate-range", "dropout-after-convolution"}


def assert_pointers_exist(spec: JobSpec, advice: tuple[Advice, ...]) -> None:
    document = json.loads(spec.model_dump_json(exclude_unset=True))
    for remark in advice:
        value: Any = document
        for part in remark.pointer.split("/")[1:]:
            value = value[int(part)] if isinstance(value, list) else value[part]
