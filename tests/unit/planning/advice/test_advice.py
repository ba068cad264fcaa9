"""Each of the note's rules speaks up where it should, and is quiet where it should be."""

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


def test_the_notes_own_advice_is_followed_in_silence(make_spec: Any) -> None:
    assert remarks(make_spec, DENSE, OUT, regularization=policy()) == []
    assert remarks(make_spec, DENSE, drop(0.3), OUT, regularization=L2) == []
    vgg = [IMAGE, CONV, POOL, drop(0.3), FLAT, DENSE, drop(0.5), OUT]
    assert remarks(make_spec, *vgg, regularization=L2) == []
    assert remarks(make_spec, DENSE, OUT) == []


@pytest.mark.parametrize("rate", [0.01, 0.29, 0.51, 0.99])
def test_rates_out_of_the_usual_range(rate: float, make_spec: Any) -> None:
    found = remarks(make_spec, DENSE, drop(rate), OUT, regularization=L2)
    assert found == [("dropout-rate-range", "/model/layers/1/rate")]
    found = remarks(make_spec, DENSE, OUT, regularization=policy(rate))
    assert found == [("dropout-rate-range", "/regularization/dropout/rate")]


def test_dropout_of_nothing_is_no_dropout(make_spec: Any) -> None:
    assert remarks(make_spec, DENSE, drop(0.0), OUT, regularization=L2) == [
        ("dropout-rate-range", "/model/layers/1/rate"),
        ("one-technique-only", "/regularization"),
    ]


@pytest.mark.parametrize("rate", [0.3, 0.4, 0.5])
def test_rates_within_it(rate: float, make_spec: Any) -> None:
    assert remarks(make_spec, DENSE, drop(rate), OUT, regularization=policy(rate)) == []


@pytest.mark.parametrize("between", [[], [RELU], [NORM, RELU], [FLAT]])
def test_dropout_after_a_convolution(between: list[Json], make_spec: Any) -> None:
    layers = [IMAGE, CONV, *between, drop(), FLAT, OUT]
    layers[-1] = OUT | {"kernel_regularizer": {"l2": 0.001}}
    assert remarks(make_spec, *layers) == [
        ("dropout-after-convolution", f"/model/layers/{2 + len(between)}")
    ]


@pytest.mark.parametrize("between", [[POOL], [RELU, POOL], [FLAT, DENSE]])
def test_dropout_later_than_a_convolution(between: list[Json], make_spec: Any) -> None:
    layers = [IMAGE, CONV, *between, drop(), FLAT, OUT]
    assert remarks(make_spec, *layers, regularization=L2) == []


def test_spatial_dropout_is_meant_for_convolutions(make_spec: Any) -> None:
    spatial = {"type": "SpatialDropout2D", "rate": 0.1}
    assert remarks(make_spec, IMAGE, CONV, spatial, FLAT, OUT, regularization=L2) == []


def test_a_policy_of_dropout_after_convolutions(make_spec: Any) -> None:
    layers = [IMAGE, CONV, POOL, FLAT, OUT]
    found = remarks(make_spec, *layers, regularization=policy(0.3, "conv", "pooling"))
    assert found == [("dropout-after-convolution", "/regularization/dropout/after")]
    assert remarks(make_spec, *layers, regularization=policy(0.3, "pooling")) == []
    without = remarks(make_spec, DENSE, OUT, regularization=policy(0.3, "conv", "dense"))
    assert without == []


def test_dropout_on_the_output(make_spec: Any) -> None:
    found = remarks(make_spec, DENSE, OUT, drop(), regularization=L2)
    assert found == [("dropout-on-output", "/model/layers/2")]


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
def test_one_technique_only(
    layers: list[Json], regularization: Any, used: str, make_spec: Any
) -> None:
    spec = make_spec(model={"layers": layers}, regularization=regularization)
    (advice,) = resolve(spec).advice
    assert (advice.id, advice.pointer) == ("one-technique-only", "/regularization")
    assert advice.message.startswith(f"Only {used} is used")


def test_no_validation_split(make_spec: Any) -> None:
    found = remarks(make_spec, DENSE, OUT, split={"validation": 0.0})
    assert found == [("no-validation-split", "/split/validation")]


def test_pointers_go_into_the_spec_as_it_was_posted(make_spec: Any) -> None:
    """Not into the resolved one, which is in topological order and holds the policy's dropout."""
    layers = [
        drop(0.1, name="late", inputs=["b"]),
        DENSE | {"name": "b", "inputs": ["a"]},
        DENSE | {"name": "a", "inputs": ["input"]},
        OUT | {"inputs": ["late"]},
    ]
    found = remarks(make_spec, *layers, regularization=policy())
    assert found == [("dropout-rate-range", "/model/layers/0/rate")]


def test_advice_names_its_source(make_spec: Any) -> None:
    spec = make_spec(
        model={"layers": [IMAGE, CONV, drop(0.9), FLAT, OUT]}, split={"validation": 0.0}
    )
    advice = resolve(spec).advice
    assert {each.severity for each in advice} == {"info", "warning"}
    assert all(each.source.startswith("note, ") and each.message for each in advice)
