"""Any spec with wrong types is a ValidationError, and nothing else."""

import json
import math
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import BuiltinDataset
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import MAX_LAYERS, JobSpec, Model
from ridgeline.spec.layers import LAYERS
from ridgeline.spec.layers.core import Dense
from ridgeline.spec.training import SGD, Training
from ridgeline.spec.training.losses import Huber

HOLE = "@@"


def spec_json() -> dict[str, Any]:
    """A spec with every section set."""
    return {
        "name": "a name",
        "dataset": {"source": "builtin", "name": "digits", "scaling": "minmax"},
        "split": {"validation": 0.2, "test": 0.1, "stratify": True},
        "model": {
            "layers": [
                {"type": "Reshape", "target_shape": [8, 8, -1]},
                {
                    "type": "Conv2D",
                    "name": "conv",
                    "filters": 2,
                    "kernel_size": [3, 3],
                    "strides": 1,
                    "kernel_regularizer": {"l1": 0.1},
                },
                {"type": "MaxPooling2D", "strides": None},
                {"type": "BatchNormalization", "momentum": 0.9},
                {"type": "Flatten"},
                {"type": "Dense", "units": 8, "activation": "relu"},
                {"type": "Concatenate", "inputs": ["flatten", "dense"], "axis": 1},
                {"type": "Dropout", "rate": 0.5},
                {"type": "Dense", "units": 10, "activation": "softmax", "bias_regularizer": None},
            ]
        },
        "regularization": {
            "weights": {"l2": 0.1, "scaling": "textbook", "n": "rows"},
            "dropout": {"rate": 0.3, "after": ["dense"]},
        },
        "training": {
            "loss": "sparse_categorical_crossentropy",
            "optimizer": {"name": "sgd", "momentum": 0.9},
            "metrics": ["accuracy"],
            "epochs": 3,
            "batch_size": 32,
            "seed": 7,
        },
        "outputs": ["keras", "saved_model"],
        "tags": ["demo"],
    }


SCHEDULES_REFUSED = [
    "null",
    "{}",
    '"cosine_decay"',
    '{"name": "cosine_decay"}',
    '{"name": "step_decay"}',
    '{"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 0}',
    '{"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 9, "alpha": 1.1}',
    '{"name": "cosine_decay_restarts", "initial_learning_rate": 1, "first_decay_steps": 0}',
    '{"name": "exponential_decay", "initial_learning_rate": 0, "decay_steps": 9, "decay_rate": 1}',
    '{"name": "polynomial_decay", "initial_learning_rate": 1, "decay_steps": 9, "power": 0}',
    '{"name": "piecewise_constant_decay", "boundaries": [], "values": [0.1]}',
    '{"name": "piecewise_constant_decay", "boundaries": [0], "values": [0.1, 0.2]}',
]


def body_with(raw: str, *path: str | int) -> str:
    """The spec's JSON with `raw` at `path`."""
    spec: Any = spec_json()
    holder = spec
    for key in path[:-1]:
        holder = holder[key]
    if isinstance(holder, list) and path[-1] == len(holder):
        holder.append(HOLE)
    else:
        holder[path[-1]] = HOLE
    return json.dumps(spec).replace(f'"{HOLE}"', raw)


def rejection(body: str | bytes) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate_json(body)
    assert str(caught.value)
    assert caught.value.json(include_input=False, include_url=False)
    return caught.value


def test_the_unchanged_spec_resolves() -> None:
    resolve(JobSpec.model_validate(spec_json(), strict=False))
    resolve(JobSpec.model_validate_json(json.dumps(spec_json())))


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("dataset",),
        ("split",),
        ("model",),
        *(("model", "layers", index) for index in range(9)),
        ("model", "layers", 1, "kernel_regularizer"),
        ("regularization",),
        ("regularization", "weights"),
        ("regularization", "dropout"),
        ("training",),
        ("training", "optimizer"),
    ],
)
def test_an_unknown_field_anywhere_is_rejected(path: tuple[str | int, ...]) -> None:
    (error,) = rejection(body_with("1", *path, "unknown_field")).errors()
    assert error["type"] == "extra_forbidden"
    assert error["loc"][-1] == "unknown_field"
    location = tuple(part for part in error["loc"] if part != "Model")  # the union's tag
    assert location[: len(path)][:3] == path[:3]


UNITS = ("model", "layers", 5, "units")
RATE = ("model", "layers", 7, "rate")
L2 = ("regularization", "weights", "l2")
OPTIMIZER = ("training", "optimizer")
NAME = ("model", "layers", 1, "name")


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        # Nothing is coerced.
        (UNITS, '"64"'),
        (UNITS, "1.5"),
        (UNITS, "64.0"),
        (UNITS, "true"),
        (UNITS, "null"),
        (UNITS, "[64]"),
        (UNITS, "{}"),
        (RATE, '"0.5"'),
        (RATE, "false"),
        (("split", "stratify"), "1"),
        (("split", "stratify"), '"true"'),
        (("name",), "1"),
        (("tags",), '"demo"'),
        (("outputs",), '{"keras": 1}'),
        (("model", "layers"), "{}"),
        (("model", "layers", 1, "kernel_size"), "[3]"),
        (("model", "layers", 1, "kernel_size"), "[3, 3, 3]"),
        (("model", "layers", 1, "kernel_size"), "3.0"),
        (("model", "layers", 0, "target_shape"), "64"),
        # Numbers that are none, or out of bounds.
        *((path, raw) for path in (UNITS, RATE, L2) for raw in ("NaN", "Infinity", "-Infinity")),
        *(
            (path, raw)
            for path in (UNITS, RATE, L2)
            for raw in ("1e999", "-1e999", "-1", "1" * 400)
        ),
        (UNITS, "0"),
        (UNITS, str(2**31)),
        (RATE, "1.0"),
        (RATE, "1"),
        (RATE, "-0.1"),
        (L2, "-1e-300"),
        (L2, "1e10"),
        (("regularization", "dropout", "rate"), "1.0"),
        (("model", "layers", 1, "kernel_regularizer", "l1"), "-0.5"),
        (("split", "validation"), "1.0"),
        (("split", "test"), "-0.1"),
        (("training", "epochs"), "0"),
        (("training", "batch_size"), "0"),
        (("training", "batch_size"), "1000001"),
        (("training", "seed"), "-1"),
        (("training", "seed"), str(2**31)),
        (("training", "deadline_s"), "0"),
        ((*OPTIMIZER, "learning_rate"), "0"),
        ((*OPTIMIZER, "learning_rate"), "-0.1"),
        ((*OPTIMIZER, "learning_rate"), "NaN"),
        ((*OPTIMIZER, "momentum"), "1.0"),
        (("model", "layers", 0, "target_shape"), "[]"),
        (("model", "layers", 0, "target_shape"), "[-2]"),
        (("model", "layers", 0, "target_shape"), "[1,1,1,1,1,1,1,1,64]"),
        (("model", "layers", 1, "strides"), "0"),
        (("model", "layers", 1, "strides"), "null"),
        (("model", "layers", 3, "momentum"), "1.0"),
        (("model", "layers", 6, "axis"), "9"),
        # Words the contract does not know.
        (("model", "layers", 5, "type"), '"Lambda"'),
        (("model", "layers", 5, "type"), "null"),
        (("model", "layers", 5, "activation"), '"swoosh"'),
        (("model", "layers", 5, "kernel_initializer"), '"mine"'),
        (("model", "layers", 1, "padding"), '"SAME"'),
        (("dataset", "name"), '"mnist"'),
        (("dataset", "source"), '"url"'),
        (("dataset", "scaling"), '"log"'),
        (("training", "loss"), '"ctc"'),
        (("training", "loss"), '{"name": "huber", "delta": 0}'),
        (("training", "loss"), '{"name": "huber", "label_smoothing": 0.1}'),
        (("training", "loss"), '{"name": "binary_crossentropy", "label_smoothing": 1.0}'),
        (("training", "loss"), "[]"),
        (OPTIMIZER, '"schedulefreeadamw"'),
        *(
            ((*OPTIMIZER, name), raw)
            for name, raw in (
                ("weight_decay", "-0.1"),
                ("weight_decay_on", '"biases"'),
                ("clipnorm", "0"),
                ("clipvalue", "NaN"),
                ("global_clipnorm", "-1"),
                ("use_ema", "1"),
                ("ema_momentum", "1.1"),
                ("ema_overwrite_frequency", "0"),
                ("gradient_accumulation_steps", "1"),
            )
        ),
        *(((*OPTIMIZER, "learning_rate"), raw) for raw in SCHEDULES_REFUSED),
        *((("training", "class_weight"), raw) for raw in ('"even"', "[]", "{}", '{"0": -1}')),
        *(
            (("training", "early_stopping"), raw)
            for raw in (
                '{"patience": -1}',
                '{"min_delta": -0.1}',
                '{"mode": "up"}',
                '{"monitor": ""}',
                '{"baseline": NaN}',
                '{"verbose": 1}',
            )
        ),
        *(
            (("training", "reduce_lr_on_plateau"), raw)
            for raw in ('{"factor": 1.0}', '{"factor": 0}', '{"cooldown": -1}', '{"min_lr": -1}')
        ),
        (("training", "precision"), '"float16"'),
        (OPTIMIZER, '["adam"]'),
        (OPTIMIZER, "{}"),
        (("training", "metrics"), '["f1"]'),
        (("regularization", "dropout", "after"), "[]"),
        (("regularization", "dropout", "after"), '["input"]'),
        (("outputs",), '["pickle"]'),
        (("outputs",), "[]"),
        # Text.
        *(
            (path, raw)
            for path in (("name",), ("tags", 0), NAME)
            for raw in ('""', '"a\\u0000b"', '"a\\nb"', '"\\u001b[0m"', '"\\u2028"', '"\\u0085"')
        ),
        (("name",), json.dumps("x" * 101)),
        (NAME, '"1st"'),
        (NAME, '"a/b"'),
        (NAME, '"dense\\n"'),
        (NAME, '"dénse"'),
        (NAME, json.dumps("x" * 64)),
        (("model", "layers", 6, "inputs"), '["", "dense"]'),
        (("model", "layers", 6, "inputs"), '"dense"'),
        (("model", "layers", 6, "inputs"), json.dumps(["dense"] * 1001)),
        (("tags",), json.dumps([f"t{n}" for n in range(21)])),
        # Lists.
        (("outputs",), '["keras", "keras"]'),
        (("tags",), '["demo", "demo"]'),
        (("model", "layers"), "[]"),
        (("model", "layers"), json.dumps([{"type": "Flatten"}] * (MAX_LAYERS + 1))),
        (("model", "layers", 0), "null"),
        (("model", "layers", 0), '"Dense"'),
        (("training", "metrics"), json.dumps(["accuracy"] * 11)),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_a_wrong_value_is_rejected_at_its_path(path: tuple[str | int, ...], raw: str) -> None:
    place = path[:-1] if path[-1] in ("type", "source") else path
    for error in rejection(body_with(raw, *path)).errors():
        # Pydantic puts the names of a union's members in between.
        assert within(place, error["loc"])


@pytest.mark.parametrize(
    "path",
    [
        ("outputs",),
        ("tags",),
        ("training", "metrics"),
        ("regularization", "dropout", "after"),
        ("model", "layers", 0, "target_shape"),
        ("model", "layers", 6, "inputs"),
    ],
)
def test_a_long_list_of_wrong_items_is_not_a_long_list_of_errors(
    path: tuple[str | int, ...],
) -> None:
    """A body of 1 MiB must not cause a response of 30 MiB."""
    error = rejection(body_with(json.dumps([{}] * 50_000), *path))
    assert error.error_count() <= 2


def within(part: tuple[str | int, ...], whole: tuple[str | int, ...]) -> bool:
    rest = iter(whole)
    return all(key in rest for key in part)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"spec"',
        b"{}",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "\xed\xa0\x80"}',
        body_with('"\\ud800"', "name").encode(),
        body_with('"\\udfff"', "tags", 0).encode(),
        body_with('"\\ud800x"', *NAME).encode(),
        body_with("[" * 100_000, "name").encode(),
        body_with("[" * 100_000 + "]" * 100_000, "model", "layers", 0).encode(),
        body_with('{"a":' * 5000 + "1" + "}" * 5000, "training", "loss").encode(),
        body_with("00", *UNITS).encode(),
        body_with("9" * 5000, *UNITS).encode(),
        body_with("0x10", *UNITS).encode(),
    ],
)
def test_a_body_that_is_no_spec_is_rejected(body: bytes) -> None:
    rejection(body)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x7f", "\x9f", "\u2029"])
def test_invalid_text_in_python_is_rejected(text: str) -> None:
    with pytest.raises(ValidationError):
        JobSpec.model_validate(spec_json() | {"tags": (text,)}, strict=False)


def test_valid_text_is_accepted() -> None:
    tags = ["Ω ≈ naïve", "a/b", "日本語", "👩🏽‍🔬"]
    spec = JobSpec.model_validate_json(json.dumps(spec_json() | {"tags": tags}))
    assert list(spec.tags) == tags


def test_names_are_expanded_to_objects() -> None:
    def read(training: dict[str, Any]) -> JobSpec:
        spec = spec_json()
        return JobSpec.model_validate_json(json.dumps(spec | {"training": training}))

    short = read({"loss": "hinge", "optimizer": "adamw"})
    assert short == read({"loss": {"name": "hinge"}, "optimizer": {"name": "adamw"}})
    assert short.training.optimizer.name == "adamw"


def test_specs_cannot_be_changed() -> None:
    spec = JobSpec.model_validate_json(json.dumps(spec_json()))
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]


# The JSON schema ---------------------------------------------------------------------------------


def test_the_json_schema_lists_every_layer() -> None:
    schema = JobSpec.model_json_schema()
    items = schema["$defs"]["Model"]["properties"]["layers"]["items"]
    assert set(items["discriminator"]["mapping"]) == set(LAYERS)
    assert len(items["oneOf"]) == len(LAYERS)
    for name in LAYERS:
        assert schema["$defs"][name]["additionalProperties"] is False


def test_the_json_schema_accepts_what_the_contract_accepts() -> None:
    schema = JobSpec.model_json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(spec_json())
    resolved = resolve(JobSpec.model_validate_json(json.dumps(spec_json()))).spec
    validator.validate(json.loads(resolved.model_dump_json()))
    assert not validator.is_valid(spec_json() | {"unknown": 1})


# Anything at all ---------------------------------------------------------------------------------

WORDS = st.sampled_from(
    """input conv dense flatten softmax linear zeros valid same hinge mean_squared_error
    categorical_crossentropy adam accuracy r2_score iris breast_cancer diabetes rows keras textbook
    pooling""".split()  # noqa: SIM905 - a list of words
    + list(LAYERS)
)
WHOLE = st.integers(-2, 20) | st.sampled_from([64, 2**31 - 1, 2**31, 10**9, 2**63, 10**400])
REAL = st.floats(0, 1) | st.floats()
LEAVES = st.none() | st.booleans() | WHOLE | REAL | WORDS | st.text(max_size=3)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """All paths into a JSON value, the empty one first."""
    inner: Any = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def like(value: Any) -> st.SearchStrategy[Any]:
    """A value of the same type, which may or may not be valid in place of `value`."""
    if isinstance(value, bool) or value is None:
        return st.none() | st.booleans()
    if isinstance(value, str):
        return WORDS
    if isinstance(value, int):
        return WHOLE
    if isinstance(value, float):
        return REAL
    items: list[Any] = list(value)
    if not items:
        return st.just(value)
    some = st.lists(st.sampled_from(items), unique_by=json.dumps, max_size=len(items))
    if isinstance(value, dict):
        return some.map(lambda keys: {key: value[key] for key in keys})
    return some | st.lists(st.sampled_from(items), min_size=1, max_size=8) | st.permutations(items)


@given(data=st.data())
@settings(max_examples=300)
def test_anything_is_a_spec_a_fault_or_a_resolution(data: st.DataObject) -> None:
    """No other exception for any value anywhere; a resolved spec can be written and read."""
    body = json.dumps(spec_json())
    for _ in range(data.draw(st.integers(1, 3))):
        spec = json.loads(body)
        *way, last = data.draw(st.sampled_from(places(spec)[1:]))
        holder = spec
        for key in way:
            holder = holder[key]
        wild = data.draw(st.integers(0, 3)) == 0
        holder[last] = data.draw(ANYTHING if wild else like(holder[last]))
        body = json.dumps(spec)
    event(outcome(body))


def outcome(body: str) -> str:
    try:
        spec = JobSpec.model_validate_json(body)
    except ValidationError as error:
        error.errors(include_input=False, include_url=False)
        return "invalid"
    try:
        resolution = resolve(spec)
    except SpecError as error:
        return check_faults(error)
    assert JobSpec.model_validate_json(resolution.spec.model_dump_json()) == resolution.spec
    assert all(math.isfinite(term.coefficient) for term in resolution.penalties)
    return "resolved"


def check_faults(error: SpecError) -> str:
    for fault in error.faults:
        assert fault.pointer.startswith("/")
        assert len(fault.detail) < 1000
    return error.faults[0].rule


NAMES = st.sampled_from(["input", "dense", "conv2d", "flatten", "add", "dense_1", "reshape"])
SIZES = st.integers(1, 20) | st.sampled_from([10, 10**9, 2**31 - 1])
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "Dense": {"units": SIZES},
    "Conv2D": {"filters": SIZES, "kernel_size": SIZES},
    "Reshape": {"target_shape": st.lists(st.just(-1) | SIZES, min_size=1, max_size=3)},
    "Flatten": {},
    "Add": {},
    "Concatenate": {},
    "MaxPooling2D": {"pool_size": SIZES},
    "Dropout": {"rate": st.just(0.5)},
}
INPUTS: dict[str, st.SearchStrategy[Any]] = {"inputs": st.lists(NAMES, min_size=1, max_size=3)}
ANY_LAYER: st.SearchStrategy[Any] = st.sampled_from(list(ARGUMENTS)).flatmap(
    lambda kind: st.fixed_dictionaries({"type": st.just(kind), **ARGUMENTS[kind]}, optional=INPUTS)
)


@given(layers=st.lists(ANY_LAYER, min_size=1, max_size=6), head=st.booleans())
@settings(max_examples=200)
def test_any_list_of_layers(layers: list[Any], head: bool) -> None:
    """Cycles, unknown inputs, misfits and excessive sizes, in any combination."""
    if head:
        layers += [{"type": "Dense", "units": 10, "activation": "softmax"}]
    event(outcome(json.dumps(spec_json() | {"model": {"layers": layers}})))


def test_a_spec_written_in_python_can_be_read_again() -> None:
    """Tags count as set, and an unset regularizer stays unset."""
    model = Model(layers=(Dense(units=3), Dense(units=1, kernel_regularizer=None)))
    spec = JobSpec(
        dataset=BuiltinDataset(name="iris"),
        model=model,
        training=Training(loss=Huber(), optimizer=SGD()),
    )
    text = spec.model_dump_json(exclude_unset=True)
    again = JobSpec.model_validate_json(text)
    assert again == spec
    silent, explicit = again.model.layers
    assert "kernel_regularizer" not in silent.model_fields_set
    assert "kernel_regularizer" in explicit.model_fields_set
    assert isinstance(again.training.optimizer, SGD)


@pytest.mark.parametrize("argument", ["kernel_size", "strides", "dilation_rate"])
@pytest.mark.parametrize("value", [257, 2**31 - 1, [1, 257]])
def test_windows_that_crash_tensorflow_are_rejected(argument: str, value: Any) -> None:
    layer = {"type": "Conv2D", "filters": 1, "kernel_size": 3, argument: value}
    with pytest.raises(ValidationError, match="256"):
        JobSpec.model_validate_json(json.dumps(spec_json() | {"model": {"layers": [layer]}}))
