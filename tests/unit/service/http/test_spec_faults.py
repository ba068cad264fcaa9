"""Pointers into the user's body, and details that help to fix it."""

import copy
import json
from typing import Any

import pytest
from pydantic import ValidationError

from ridgeline.spec.faults import MAX_FAULTS, Fault
from ridgeline.spec.job_spec import JobSpec
from service.http.documentation import DIGITS
from service.http.spec_faults import spec_faults

LAYER = ("model", "layers", 0)
PRESET = ("model", "preset")
POOLING = {"type": "MaxPooling2D"}
MISSING = object()
RATE = ("training", "optimizer", "learning_rate")
RATE_AT = "/training/optimizer/learning_rate"
COSINE = {"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 9}
CLASSES = ("training", "class_weight")


def faults_of(body: Any) -> list[Fault]:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate_json(json.dumps(body))
    return spec_faults(caught.value, body)


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    body = copy.deepcopy(DIGITS)
    if path == PRESET:
        body["model"] = {"preset": "imdb_mlp", **value}
        return body
    holder: Any = body
    for part in path[:-1]:
        holder = holder[part]
    if value is MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return body


def keras(name: str, **options: Any) -> dict[str, Any]:
    return {"source": "keras", "name": name, **options}


def upload(**options: Any) -> dict[str, Any]:
    return {"source": "upload", "id": "ds_" + "0" * 32, **options}


@pytest.mark.parametrize(
    ("path", "value", "pointer", "rule", "words"),
    [
        ((*LAYER, "unit"), 3, "/model/layers/0/unit", "unknown-field", "did you mean units?"),
        ((*LAYER, "Dense"), 3, "/model/layers/0/Dense", "unknown-field", "Dense has no such field"),
        (("epochs",), 3, "/epochs", "unknown-field", "did you mean /training/epochs?"),
        (("a/b~c",), 3, "/a~1b~0c", "unknown-field", "expected one of name, dataset"),
        ((*LAYER, "type"), "Dnse", "/model/layers/0/type", "unknown-type", "did you mean Dense?"),
        ((*LAYER, "type"), "conv2d", "/model/layers/0/type", "unknown-type", "mean Conv2D?"),
        ((*LAYER, "type"), "Lambda", "/model/layers/0/type", "unknown-type", "expected one of Act"),
        ((*LAYER, "type"), 3, "/model/layers/0/type", "unknown-type", "expected one of"),
        ((*LAYER, "type"), MISSING, "/model/layers/0/type", "missing", "missing; expected one of"),
        (LAYER, 3, "/model/layers/0", "dict-type", "received a number, expected an object"),
        ((*LAYER, "units"), MISSING, "/model/layers/0/units", "missing", "expected an integer"),
        ((*LAYER, "units"), "64", "/model/layers/0/units", "int-type", "received a string"),
        ((*LAYER, "units"), 64.0, "/model/layers/0/units", "int-type", "received a decimal number"),
        ((*LAYER, "units"), True, "/model/layers/0/units", "int-type", "received a boolean"),
        ((*LAYER, "units"), 0, "/model/layers/0/units", "greater-than-equal", "an integer ≥ 1"),
        (
            (*LAYER, "activation"),
            "rellu",
            "/model/layers/0/activation",
            "unknown-value",
            "mean relu?",
        ),
        (
            ("model", "layers"),
            {},
            "/model/layers",
            "tuple-type",
            "received an object, expected a list",
        ),
        (("model", "layers"), [], "/model/layers", "too-short", "a list of at least 1"),
        (("model",), None, "/model", "model-type", "received null, expected an object with layers"),
        (("model",), {}, "/model/layers", "missing", "missing; expected a list of at least 1"),
        (("model", "layer"), [], "/model/layer", "unknown-field", "did you mean layers?"),
        (("model",), {"preset": "vgglike"}, "/model/preset", "unknown-type", "mean vgg_like?"),
        (("model",), {"preset": 3}, "/model/preset", "unknown-type", "expected one of cifar10"),
        (PRESET, {"rate": 1.0}, "/model/rate", "less-than", "too large, expected a finite number"),
        (PRESET, {"unit": 3}, "/model/unit", "unknown-field", "did you mean units?"),
        (
            PRESET,
            {"layers": []},
            "/model/layers",
            "unknown-field",
            "expected one of preset, units, rate",
        ),
        (("training", "loss"), MISSING, "/training/loss", "missing", "missing"),
        (
            ("training", "loss"),
            "mean_square_error",
            "/training/loss",
            "unknown-type",
            "mean mean_squared_error?",
        ),
        (("training", "loss"), {"name": "hubr"}, "/training/loss/name", "unknown-type", "huber?"),
        (("training", "loss"), 5, "/training/loss", "model-attributes-type", "received a number"),
        (
            ("training", "optimizer"),
            "adan",
            "/training/optimizer",
            "unknown-type",
            "did you mean ada",
        ),
        (
            ("training", "optimizer"),
            {"name": "sgdd"},
            "/training/optimizer/name",
            "unknown-type",
            "sgd?",
        ),
        (("training", "optimizer"), {}, "/training/optimizer/name", "missing", "one of ada"),
        (
            ("training", "optimizer", "learning_rate"),
            -1,
            "/training/optimizer/learning_rate",
            "greater-than",
            "a finite number > 0",
        ),
        (RATE, "0.1", RATE_AT, "float-type", "received a string, expected a finite number > 0"),
        (RATE, {}, f"{RATE_AT}/name", "missing", "one of cosine_decay, "),
        (RATE, {"name": "cosine_dekay"}, f"{RATE_AT}/name", "unknown-type", "mean cosine_decay?"),
        (RATE, COSINE | {"alpha": 2}, f"{RATE_AT}/alpha", "less-than-equal", "≥ 0 and ≤ 1"),
        (RATE, COSINE | {"decay": 2}, f"{RATE_AT}/decay", "unknown-field", "CosineDecay has no"),
        (CLASSES, {"1": -1}, "/training/class_weight/1", "greater-than-equal", "number ≥ 0"),
        (CLASSES, "even", "/training/class_weight", "unknown-value", "one of balanced"),
        (
            ("training", "loss"),
            {"name": "huber", "label_smoothing": 0.1},
            "/training/loss/label_smoothing",
            "unknown-field",
            "expected one of name, from_logits, delta",
        ),
        (
            ("training", "early_stopping"),
            {"patience": 1.5},
            "/training/early_stopping/patience",
            "int-type",
            "an integer ≥ 0",
        ),
        (
            ("regularization", "weights", "l2"),
            float("nan"),
            "/regularization/weights/l2",
            "finite-number",
            "a finite number ≥ 0",
        ),
        (
            ("regularization", "dropout", "rate"),
            1.0,
            "/regularization/dropout/rate",
            "less-than",
            "≥ 0 and < 1",
        ),
        (
            ("regularization", "dropout", "after"),
            ["dens"],
            "/regularization/dropout/after/0",
            "unknown-value",
            "did you mean dense?",
        ),
        ((*LAYER, "name"), "1a", "/model/layers/0/name", "string-pattern-mismatch", "matches ^["),
        (("name",), "", "/name", "string-too-short", "a string of 1 to 100 characters"),
        (("dataset", "name"), "mnis", "/dataset/name", "unknown-value", "one of digits, breast"),
        (("split", "stratify"), 1, "/split/stratify", "bool-type", "expected true or false"),
        (("split", "test"), "0.1", "/split/test", "float-type", "received a string"),
        (("outputs",), "keras", "/outputs", "tuple-type", "received a string, expected a list"),
        (
            ("outputs",),
            ["h5"],
            "/outputs/0",
            "unknown-value",
            "expected one of keras, weights, saved_model, litert, onnx",
        ),
    ],
)
def test_a_wrong_member_is_one_fault_at_its_place(
    path: tuple[str | int, ...], value: Any, pointer: str, rule: str, words: str
) -> None:
    (fault,) = faults_of(changed(path, value))
    assert (fault.pointer, fault.rule) == (pointer, rule)
    assert words in fault.detail


METRICS = ("training", "metrics")
OPTIMIZERS = "unknown value; expected one of adadelta, adafactor, adagrad, adam"
SIZES = ("training", "optimizer", "learning_rate")


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        (
            ("regularization", "weights"),
            0.01,
            (
                "received a decimal number, expected an object with any of l1, l2, scaling, n,"
                ' l1_mode, orthogonal, raise_on_overfit, such as {"l2": 0.01}'
            ),
        ),
        (
            (*LAYER, "kernel_regularizer"),
            "l2",
            (
                "received a string, expected an object with any of l1, l2, scaling, n,"
                ' l1_mode, orthogonal, such as {"l2": 0.01}'
            ),
        ),
        (("training", "optimizer"), "schedulefreeadamw", OPTIMIZERS),
        (("training", "optimizer"), "wildly", OPTIMIZERS),
        (SIZES, -1, "received a negative number, expected a finite number > 0 and ≤ 1000000000"),
        (SIZES, 0, "received zero, expected a finite number > 0 and ≤ 1000000000"),
        (SIZES, 1e99, "received a number that is too large, expected a finite number > 0"),
        (SIZES, float("inf"), "received a number that is not finite, expected a finite number"),
    ],
)
def test_a_detail_says_what_was_received_and_expected(
    path: tuple[str | int, ...], value: Any, detail: str
) -> None:
    (fault,) = faults_of(changed(path, value))
    assert fault.detail.startswith(detail)
    assert "did you mean" not in fault.detail


@pytest.mark.parametrize(
    "name", ["binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"]
)
def test_kerass_other_names_of_accuracy_lead_to_accuracy(name: str) -> None:
    (fault,) = faults_of(changed(METRICS, [name]))
    assert fault.detail.startswith("use accuracy. Expected one of accuracy, ")


@pytest.mark.parametrize(
    ("path", "value", "pointer", "start"),
    [
        ((*LAYER, "type"), "Dnse", "/model/layers/0/type", "did you mean Dense? Expected one of"),
        ((*LAYER, "unit"), 3, "/model/layers/0/unit", "did you mean units? Dense has no such"),
        (
            (*LAYER, "type"),
            "Input",
            "/model/layers/0/type",
            "leave this layer out: the input of the first layer is the data set. Expected one of",
        ),
        (
            ("regularization", "l2"),
            0.1,
            "/regularization/l2",
            "did you mean /regularization/weights/l2? ",
        ),
        (
            ("dataset",),
            {"name": "mnist"},
            "/dataset/name",
            'mnist is a data set of Keras: add "source": "keras". Expected one of',
        ),
    ],
)
def test_a_suggestion_comes_first(
    path: tuple[str | int, ...], value: Any, pointer: str, start: str
) -> None:
    (fault,) = faults_of(changed(path, value))
    assert fault.pointer == pointer
    assert fault.detail.startswith(start)


def test_an_unknown_source_is_one_fault() -> None:
    (fault,) = faults_of(changed(("dataset",), {"source": "uploaded", "id": "x", "target": "y"}))
    assert fault.pointer == "/dataset/source"


@pytest.mark.parametrize(
    ("dataset", "pointer", "rule", "words"),
    [
        ({}, "/dataset/name", "missing", "one of digits"),
        ({"source": "keras"}, "/dataset/name", "missing", "one of california_housing, cifar10"),
        (keras("digits"), "/dataset/name", "unknown-type", "mnist, reuters"),
        (keras("mnst"), "/dataset/name", "unknown-type", "did you mean mnist?"),
        (keras("mnist", scaling="minmax"), "/dataset/scaling", "unknown-value", "unit, standard"),
        (keras("mnist", num_words=9), "/dataset/num_words", "unknown-field", "KerasImages has no"),
        (keras("mnist", rows=0), "/dataset/rows", "greater-than-equal", "received zero"),
        (keras("mnist", test_rows=-1), "/dataset/test_rows", "greater-than-equal", "≥ 0"),
        (keras("mnist", loading="disk"), "/dataset/loading", "unknown-value", "stream"),
        (keras("cifar100", label_mode=1), "/dataset/label_mode", "unknown-value", "fine"),
        (keras("cifar10", label_mode="fine"), "/dataset/label_mode", "unknown-field", "no such"),
        (keras("imdb", scaling="none"), "/dataset/scaling", "unknown-field", "KerasReviews has"),
        (keras("imdb", num_words=3), "/dataset/num_words", "greater-than-equal", "≥ 4"),
        (keras("reuters", num_words=10**6), "/dataset/num_words", "less-than-equal", "≤ 100000"),
        (keras("imdb", maxlen=0), "/dataset/maxlen", "greater-than-equal", "received zero"),
        (keras("imdb", encoding="one_hot"), "/dataset/encoding", "unknown-value", "multi_hot"),
        (keras("california_housing", version=2), "/dataset/version", "unknown-value", "large"),
        ([], "/dataset", "model-type", "received a list, expected an object"),
        ({"source": []}, "/dataset/source", "unknown-type", "builtin, keras, upload"),
        ({"source": "upload"}, "/dataset/id", "missing", "^ds_"),
        (upload(targt="a"), "/dataset/targt", "unknown-field", "did you mean target?"),
        (upload(features="a"), "/dataset/features", "tuple-type", "received a string"),
        (upload(scaling="max"), "/dataset/scaling", "unknown-value", "standard, minmax, unit"),
        (upload(encodings={"a": "onehot"}), "/dataset/encodings/a", "unknown-type", "one_hot?"),
        (upload(encodings={"a": {}}), "/dataset/encodings/a/type", "missing", "ordinal"),
        (
            upload(encodings={"a/b": {"type": "sequence", "maxlen": 0}}),
            "/dataset/encodings/a~1b/maxlen",
            "greater-than-equal",
            "received zero",
        ),
        (
            upload(encodings={"a": {"type": "ordinal", "categories": ["u", "u"]}}),
            "/dataset/encodings/a/categories",
            "invalid-value",
            "each value once",
        ),
        (upload(image={"channels": 2}), "/dataset/image/channels", "unknown-value", "1, 3"),
    ],
)
def test_a_wrong_member_of_a_data_set_is_one_fault(
    dataset: Any, pointer: str, rule: str, words: str
) -> None:
    (fault,) = faults_of(changed(("dataset",), dataset))
    assert (fault.pointer, fault.rule) == (pointer, rule)
    assert words in fault.detail


@pytest.mark.parametrize("value", ["a", [1, "a"], [1, 2, 3], 0, {"int": 1}, None])
def test_a_value_that_fits_no_member_of_a_union_is_one_fault(value: Any) -> None:
    (fault,) = faults_of(changed(LAYER, {**POOLING, "pool_size": value}))
    assert fault.pointer == "/model/layers/0/pool_size"
    assert "or a list of 2, each an integer ≥ 1" in fault.detail


def test_faults_are_all_listed_up_to_a_limit() -> None:
    body = {**DIGITS, "model": {"layers": [{"type": "Dense"}] * 50}}
    faults = faults_of(body)
    assert len(faults) == MAX_FAULTS
    assert [fault.pointer for fault in faults[:2]] == [
        "/model/layers/0/units",
        "/model/layers/1/units",
    ]


@pytest.mark.parametrize("body", [[], None, "text", 3, True])
def test_a_body_that_is_no_object_is_one_fault(body: Any) -> None:
    (fault,) = faults_of(body)
    assert fault.pointer == ""
    assert "expected an object with dataset, model, training" in fault.detail


def test_long_strings_are_not_sent_back() -> None:
    secret = "s3cret" * 500
    body = changed((*LAYER, secret), secret)
    body["name"] = secret
    body["training"]["loss"] = secret
    text = "".join(fault.model_dump_json() for fault in faults_of(body))
    assert "s3cret" not in text


def test_a_value_that_looks_like_a_tag_does_not_change_the_pointer() -> None:
    body = changed((*LAYER, "name"), "units")
    body["model"]["layers"][0]["units"] = "x"
    body["name"] = "dataset"
    body["dataset"]["name"] = "scaling"
    assert [fault.pointer for fault in faults_of(body)] == [
        "/dataset/name",
        "/model/layers/0/units",
    ]
