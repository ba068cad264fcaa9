"""Each of the note's rules gives advice where it applies, and only there."""

from typing import Any

import pytest

from ridgeline.planning.resolve import resolve

Json = dict[str, Any]

DENSE: Json = {"type": "Dense", "units": 8, "activation": "relu"}
OUT: Json = {"type": "Dense", "units": 10, "activation": "softmax"}
IMAGE: Json = {"type": "Reshape", "target_shape": [8, 8, 1]}
CONV: Json = {"type": "Conv2D", "filters": 2, "kernel_size": 3}
POOL: Json = {"type": "MaxPooling2D"}
FLAT: Json = {"type": "Flatten"}
RELU: Json = {"type": "Activation", "activation": "relu"}
NORM: Json = {"type": "BatchNormalization"}
L2: Json = {"weights": {"l2": 0.001}}


def drop(rate: float = 0.4, **fields: Any) -> Json:
    return {"type": "Dropout", "rate": rate, **fields}


def remarks(make_spec: Any, *layers: Json, **sections: Any) -> list[tuple[str, str]]:
    spec = make_spec(model={"layers": layers}, **sections)
    return [(advice.id, advice.pointer) for advice in resolve(spec).advice]


def policy(rate: float = 0.3, *after: str) -> Json:
    return L2 | {"dropout": {"rate": rate, "after": after or ["dense"]}}


def test_a_network_that_follows_the_note_gets_no_advice(make_spec: Any) -> None:
    assert remarks(make_spec, DENSE, OUT, regularization=policy()) == []
    assert remarks(make_spec, DENSE, drop(0.3), OUT, regularization=L2) == []
    vgg = [IMAGE, CONV, POOL, drop(0.3), FLAT, DENSE, drop(0.5), OUT]
    assert remarks(make_spec, *vgg, regularization=L2) == []
    assert remarks(make_spec, DENSE, OUT) == []


@pytest.mark.parametrize("rate", [0.01, 0.29, 0.51, 0.99])
def test_dropout_rate_outside_the_usual_range_is_remarked(rate: float, make_spec: Any) -> None:
    advice = remarks(make_spec, DENSE, drop(rate), OUT, regularization=L2)
    assert advice == [("dropout-rate-range", "/model/layers/1/rate")]
    advice = remarks(make_spec, DENSE, OUT, regularization=policy(rate))
    assert advice == [("dropout-rate-range", "/regularization/dropout/rate")]


def test_dropout_of_rate_zero_is_no_dropout(make_spec: Any) -> None:
    assert remarks(make_spec, DENSE, drop(0.0), OUT, regularization=L2) == [
        ("dropout-rate-range", "/model/layers/1/rate"),
        ("one-technique-only", "/regularization"),
    ]


@pytest.mark.parametrize("rate", [0.3, 0.4, 0.5])
def test_dropout_rate_in_the_usual_range_is_not_remarked(rate: float, make_spec: Any) -> None:
    assert remarks(make_spec, DENSE, drop(rate), OUT, regularization=policy(rate)) == []


@pytest.mark.parametrize("between", [[], [RELU], [NORM, RELU], [FLAT]])
def test_dropout_right_after_a_convolution_is_remarked(between: list[Json], make_spec: Any) -> None:
    layers = [IMAGE, CONV, *between, drop(), FLAT, OUT]
    layers[-1] = OUT | {"kernel_regularizer": {"l2": 0.001}}
    assert remarks(make_spec, *layers) == [
        ("dropout-after-convolution", f"/model/layers/{2 + len(between)}")
    ]


@pytest.mark.parametrize("between", [[POOL], [RELU, POOL], [FLAT, DENSE]])
def test_dropout_later_than_a_convolution_is_not_remarked(
    between: list[Json], make_spec: Any
) -> None:
    layers = [IMAGE, CONV, *between, drop(), FLAT, OUT]
    assert remarks(make_spec, *layers, regularization=L2) == []


def test_spatial_dropout_after_a_convolution_is_not_remarked(make_spec: Any) -> None:
    spatial = {"type": "SpatialDropout2D", "rate": 0.1}
    assert remarks(make_spec, IMAGE, CONV, spatial, FLAT, OUT, regularization=L2) == []


def test_policy_dropout_after_convolutions_is_remarked(make_spec: Any) -> None:
    layers = [IMAGE, CONV, POOL, FLAT, OUT]
    advice = remarks(make_spec, *layers, regularization=policy(0.3, "conv", "pooling"))
    assert advice == [("dropout-after-convolution", "/regularization/dropout/after")]
    assert remarks(make_spec, *layers, regularization=policy(0.3, "pooling")) == []
    without = remarks(make_spec, DENSE, OUT, regularization=policy(0.3, "conv", "dense"))
    assert without == []


def test_dropout_on_the_output_is_remarked(make_spec: Any) -> None:
    advice = remarks(make_spec, DENSE, OUT, drop(), regularization=L2)
    assert advice == [("dropout-on-output", "/model/layers/2")]


@pytest.mark.parametrize(
    ("layers", "regularization", "used"),
    [
        ([DENSE, drop(), OUT], {}, "dropout"),
        ([DENSE, drop(), OUT], {"weights": {"l1": 0.1, "l1_mode": "proximal"}}, "dropout"),
        ([DENSE, drop(), OUT], {"weights": {"l2": 0}}, "dropout"),
        ([DENSE, OUT], {"dropout": {"rate": 0.3}}, "dropout"),
        ([DENSE, OUT], L2, "L2"),
        ([DENSE, OUT | {"kernel_regularizer": {"l2": 0.1}}], {}, "L2"),
    ],
)
def test_dropout_without_l2_or_l2_without_dropout_is_remarked(
    layers: list[Json], regularization: Any, used: str, make_spec: Any
) -> None:
    spec = make_spec(model={"layers": layers}, regularization=regularization)
    (advice,) = resolve(spec).advice
    assert (advice.id, advice.pointer) == ("one-technique-only", "/regularization")
    assert advice.message.startswith(f"Only {used} is used")


def test_a_spec_without_validation_rows_is_remarked(make_spec: Any) -> None:
    advice = remarks(make_spec, DENSE, OUT, split={"validation": 0.0})
    assert advice == [("no-validation-split", "/split/validation")]


def test_pointers_lead_into_the_spec_as_posted(make_spec: Any) -> None:
    """Not into the resolved spec, which is in topological order with the policy's dropout."""
    layers = [
        drop(0.1, name="late", inputs=["b"]),
        DENSE | {"name": "b", "inputs": ["a"]},
        DENSE | {"name": "a", "inputs": ["input"]},
        OUT | {"inputs": ["late"]},
    ]
    advice = remarks(make_spec, *layers, regularization=policy())
    assert advice == [("dropout-rate-range", "/model/layers/0/rate")]


def test_advice_names_its_source(make_spec: Any) -> None:
    spec = make_spec(
        model={"layers": [IMAGE, CONV, drop(0.9), FLAT, OUT]}, split={"validation": 0.0}
    )
    advice = resolve(spec).advice
    assert {remark.severity for remark in advice} == {"info", "warning"}
    assert all(remark.source.startswith("note, ") and remark.message for remark in advice)
