"""Resolving a spec: everything spelled out, limits, penalties, memory."""

import json
import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sklearn import datasets
from sklearn.model_selection import train_test_split

from ridgeline.api.job import Validation
from ridgeline.planning.graph import MAX_NUMBERS, Parameters
from ridgeline.planning.memory import evaluation_rows
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.planning.wiring import wire
from ridgeline.spec.dataset import BUILTIN
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import MAX_LAYERS, JobSpec
from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.training import OPTIMIZERS, Training

DIGITS = 1797
HEAD = [
    {"type": "Flatten", "name": "flat"},
    {"type": "Dense", "name": "out", "units": 10, "activation": "softmax"},
]

PENALTIES = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "l1": st.floats(0, 1),
        "l2": st.floats(0, 1),
        "scaling": st.sampled_from(["keras", "textbook"]),
        "n": st.sampled_from(["batch", "rows"]),
    },
)
MISPLACED = {"augments-data", "embeds-tokens", "mixes-data", "mixes-one-hot"}
PARTS = ("weights", "bias", "activity", "constraint", "dropout")
POLICIES = st.fixed_dictionaries(
    {"weights": PENALTIES},
    optional={
        "bias": PENALTIES,
        "activity": st.none() | st.just({"l1": 0.1}),
        "constraint": st.none() | st.sampled_from([{"type": "MaxNorm"}, {"type": "NonNeg"}]),
        "dropout": st.fixed_dictionaries(
            {"rate": st.sampled_from([0.0, 0.3])},
            optional={
                "after": st.lists(
                    st.sampled_from(["dense", "pooling", "conv"]), min_size=1, unique=True
                )
            },
        ),
    },
)


@given(data=st.data(), policy=POLICIES, own=PENALTIES, batch=st.integers(1, 5000))
@settings(max_examples=60)
def test_resolving_twice_changes_nothing(
    data: st.DataObject, policy: Any, own: Any, batch: int, networks: Any, make_spec: Any
) -> None:
    _, layers = data.draw(networks((64,), fits=True))
    weighted = [layer for layer in layers if layer["type"] in ("Dense", "Conv2D")]
    if weighted:
        data.draw(st.sampled_from(weighted))["kernel_regularizer"] = own
    model = {"layers": [*layers, *HEAD]}
    spec = make_spec(model=model, regularization=policy, training={"batch_size": batch})
    try:
        once = resolve(spec)
    except SpecError as error:
        # Networks are drawn without regard to where augmentation and Embedding may stand.
        rules = {fault.rule for fault in error.faults}
        event("rejected")
        if rules <= MISPLACED:
            return
        raise
    event(f"{len(once.penalties)} penalties")
    assert_same(once, resolve(once.spec))
    assert_same(once, resolve(JobSpec.model_validate_json(once.spec.model_dump_json())))


def assert_same(one: Resolution, other: Resolution) -> None:
    assert one.spec == other.spec
    assert one.spec.model_dump_json() == other.spec.model_dump_json()
    assert one.graph == other.graph
    assert one.penalties == other.penalties
    assert one.parameters == other.parameters
    assert one.memory_bytes == other.memory_bytes
    assert (one.rows, one.encoding) == (other.rows, other.encoding)


ADAM = {
    "name": "adam",
    "learning_rate": 0.001,
    "weight_decay": None,
    "weight_decay_on": "kernels",
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "gradient_accumulation_steps": None,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-7,
    "amsgrad": False,
}


TRAINING: dict[str, Any] = {
    "loss": {
        "name": "sparse_categorical_crossentropy",
        "from_logits": True,
        "label_smoothing": 0.0,
    },
    "optimizer": ADAM,
    "metrics": [],
    "class_weight": None,
    "epochs": 10,
    "batch_size": 32,
    "early_stopping": None,
    "reduce_lr_on_plateau": None,
    "precision": "float32",
    "seed": 0,
    "deadline_s": 86_400,
}
DENSE = {
    "type": "Dense",
    "activation": "linear",
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "bias_initializer": "zeros",
    "kernel_regularizer": {
        "l1": 0.0,
        "l2": 0.1,
        "scaling": "keras",
        "n": "batch",
        "l1_mode": "penalty",
        "orthogonal": None,
    },
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}


def test_every_default_is_spelled_out(make_spec: Any) -> None:
    layers = [{"type": "Dense", "units": 4}, {"type": "Dense", "units": 10}]
    spec = make_spec(
        model={"layers": layers},
        regularization={"weights": {"l2": 0.1}, "dropout": {"rate": 0.3}},
        training={"loss": {"name": "sparse_categorical_crossentropy", "from_logits": True}},
    )
    assert json.loads(resolve(spec).spec.model_dump_json()) == {
        "name": None,
        "dataset": {
            "source": "builtin",
            "name": "digits",
            "scaling": "standard",
            "loading": "auto",
        },
        "split": {"validation": 0.2, "test": 0.0, "stratify": False},
        "model": {
            "layers": [
                DENSE | {"name": "dense", "inputs": ["input"], "units": 4},
                {
                    "type": "Dropout",
                    "name": "dropout",
                    "inputs": ["dense"],
                    "rate": 0.3,
                    "noise_shape": None,
                },
                DENSE | {"name": "dense_1", "inputs": ["dropout"], "units": 10},
            ]
        },
        "regularization": dict.fromkeys(PARTS),
        "training": TRAINING,
        "outputs": ["keras"],
        "tags": [],
    }


def test_a_resolution_can_be_returned_as_a_validation(make_spec: Any) -> None:
    resolution = resolve(make_spec(regularization={"weights": {"l2": 0.1}}))
    validation = Validation(
        resolved=resolution.spec,
        parameters=resolution.parameters,
        memory_bytes=resolution.memory_bytes,
        penalties=resolution.penalties,
        advice=resolution.advice,
    )
    assert Validation.model_validate_json(validation.model_dump_json()) == validation


# Penalties ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "batch", "coefficient", "formula"),
    [
        ({"l2": 0.5}, 32, 0.5, "λ·Σw²"),
        ({"l1": 0.5}, 32, 0.5, "λ·Σ|w|"),
        ({"l2": 0.5, "n": "rows"}, 32, 0.5, "λ·Σw²"),
        ({"l2": 0.5, "scaling": "textbook"}, 32, 0.5 / 64, "λ/(2n)·Σw², n = 32 (batch)"),
        ({"l1": 0.5, "scaling": "textbook"}, 32, 0.5 / 32, "λ/n·Σ|w|, n = 32 (batch)"),
        (
            {"l2": 0.5, "scaling": "textbook", "n": "rows"},
            32,
            0.5 / (2 * 1438),
            "λ/(2n)·Σw², n = 1438 (rows)",
        ),
        (
            {"l1": 0.5, "scaling": "textbook", "n": "rows"},
            32,
            0.5 / 1438,
            "λ/n·Σ|w|, n = 1438 (rows)",
        ),
        (
            {"l2": 0.5, "scaling": "textbook"},
            9999,
            0.5 / (2 * 1438),
            "λ/(2n)·Σw², n = 1438 (batch)",
        ),
    ],
)
def test_penalties_have_their_closed_forms(
    weights: Any, batch: int, coefficient: float, formula: str, make_spec: Any
) -> None:
    """The textbook's gradient λ/n·w is that of λ/(2n)·Σw²; 1438 of 1797 rows are for training."""
    spec = make_spec(regularization={"weights": weights}, training={"batch_size": batch})
    resolution = resolve(spec)
    assert resolution.rows.train == 1438
    assert [term.layer for term in resolution.penalties] == ["dense", "dense_1"]
    for term in resolution.penalties:
        assert term.kind in weights
        assert (term.weight, term.strength) == ("kernel", 0.5)
        assert term.coefficient == pytest.approx(coefficient, rel=1e-15)
        assert term.formula == formula


def test_order_and_keys_of_penalties(make_spec: Any) -> None:
    policy = {"weights": {"l1": 0.1, "l2": 0.2}, "bias": {"l2": 0.3}}
    resolution = resolve(make_spec(regularization=policy))
    assert [(term.key, term.coefficient) for term in resolution.penalties] == [
        (f"{layer}/{key}", value)
        for layer in ("dense", "dense_1")
        for key, value in [("kernel/l1", 0.1), ("kernel/l2", 0.2), ("bias/l2", 0.3)]
    ]


def test_zero_is_no_penalty(make_spec: Any) -> None:
    assert resolve(make_spec(regularization={"weights": {"l1": 0, "l2": 0}})).penalties == ()


# Splits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "split", "at", "rule"),
    [
        ("digits", {"validation": 0.6, "test": 0.4}, "/split", "training-rows"),
        ("digits", {"validation": 0.9, "test": 0.9}, "/split", "training-rows"),
        ("digits", {"validation": 0.0001}, "/split/validation", "split-rows"),
        ("digits", {"test": 1e-300}, "/split/test", "split-rows"),
        ("digits", {"test": 0.005, "stratify": True}, "/split/test", "split-rows"),
        ("digits", {"validation": 0.005, "stratify": True}, "/split/validation", "split-rows"),
        ("iris", {"validation": 0.99, "stratify": True}, "/split", "training-rows"),
        ("diabetes", {"stratify": True}, "/split/stratify", "stratify-classes"),
    ],
)
def test_splits_that_leave_no_rows_are_rejected(
    name: str, split: Any, at: str, rule: str, make_spec: Any, faults_of: Any
) -> None:
    (fault,) = faults_of(lambda: resolve(make_spec(dataset={"name": name}, split=split)))
    assert (fault.pointer, fault.rule) == (at, rule)


SHARES = st.floats(0, 1, exclude_max=True)


@given(
    name=st.sampled_from([name for name, shape in BUILTIN.items() if shape.classes]),
    test=SHARES | st.floats(0.9, 0.999),
    of_the_rest=SHARES,
)
@settings(max_examples=60)
def test_accepted_splits_can_be_stratified(
    name: str, test: float, of_the_rest: float, make_spec: Any
) -> None:
    split = {"test": test, "validation": (1 - test) * of_the_rest, "stratify": True}
    classes = BUILTIN[name].classes
    model = {"layers": [{"type": "Dense", "units": classes, "activation": "softmax"}]}
    try:
        rows = resolve(make_spec(dataset={"name": name}, split=split, model=model)).rows
    except SpecError:
        return
    _, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    for count in (rows.test, rows.validation):
        if count:
            target, part = train_test_split(
                target, test_size=count, random_state=0, stratify=target
            )
            assert len(part) == count
    assert len(np.unique(target)) == classes


# Memory and limits -------------------------------------------------------------------------------

MLP = [{"type": "Dense", "units": 8}, {"type": "Dense", "units": 10, "activation": "softmax"}]
PARAMETERS = 64 * 8 + 8 + 8 * 10 + 10


OPTIMIZER_SPECS: list[dict[str, Any]] = [
    *({"name": name} for name in OPTIMIZERS),
    {"name": "sgd", "momentum": 0.9},
    {"name": "rmsprop", "momentum": 0.9, "centered": True},
    {"name": "adam", "amsgrad": True},
    {"name": "adamw", "use_ema": True},
    {"name": "adafactor", "gradient_accumulation_steps": 2},
    {"name": "muon", "exclude_embeddings": False, "use_ema": True},
]


@pytest.mark.parametrize("optimizer", OPTIMIZER_SPECS, ids=str)
def test_memory_in_closed_form(optimizer: dict[str, Any], make_spec: Any) -> None:
    """Weights, gradients, optimizer state; activations of 1024 evaluated rows; the rows."""
    slots = keras_slots(optimizer, [("dense/kernel", (64, 8)), ("dense/bias", (8,))])
    slots += keras_slots(optimizer, [("dense_1/kernel", (8, 10)), ("dense_1/bias", (10,))])
    numbers = PARAMETERS * 2 + slots + 1024 * (64 + 8 + 10) + DIGITS * 64
    resolution = resolve(make_spec(model={"layers": MLP}, training={"optimizer": optimizer}))
    assert resolution.memory_bytes == 4 * numbers
    assert resolution.parameters == Parameters(
        total=PARAMETERS, trainable=PARAMETERS, non_trainable=0
    )


@pytest.mark.parametrize(("outputs", "archives"), [(["keras"], 1), (["weights"], 0)])
def test_memory_is_for_the_archive_or_for_the_gradients(
    outputs: list[str], archives: int, make_spec: Any
) -> None:
    """`model.keras`, with Adam's two slots, is built in memory; h5 is written to disk."""
    deep = [{"type": "Dense", "units": 2000}, {"type": "Dense", "units": 2000}, MLP[1]]
    numbers = 65 * 2000 + 2001 * 2000 + 2001 * 10
    spec = make_spec(
        model={"layers": deep}, outputs=outputs, training={"optimizer": {"name": "adam"}}
    )
    held = 4 * 3 * numbers + 4 * DIGITS * 64
    activations = 4 * 1024 * (64 + 2000 + 2000 + 10)
    passing = 4 * 3 * numbers if archives else 4 * numbers + activations
    assert resolve(spec).memory_bytes == held + passing


@pytest.mark.parametrize("optimizer", OPTIMIZER_SPECS, ids=str)
def test_optimizer_state_has_the_size_of_keras(optimizer: dict[str, Any]) -> None:
    weights = [("e/embeddings", (7, 3)), ("c/kernel", (3, 2, 4)), ("d/kernel", (5, 4)), ("g", (6,))]
    training = Training.model_validate({"loss": "mse", "optimizer": optimizer}, strict=False)
    held = sum(training.optimizer.numbers(path, shape) for path, shape in weights)
    assert held == keras_slots(optimizer, weights)


def test_a_batch_has_at_most_all_rows(make_spec: Any) -> None:
    def needed(batch: int) -> int:
        return resolve(make_spec(training={"batch_size": batch})).memory_bytes

    assert needed(DIGITS - 1) < needed(DIGITS) == needed(10**6)


def keras_slots(optimizer: dict[str, Any], weights: list[tuple[str, tuple[int, ...]]]) -> int:
    """Size of the variables of Keras's optimizer, without its few scalars."""
    arguments = {key: value for key, value in optimizer.items() if key != "name"}
    built = getattr(keras.optimizers, OPTIMIZERS[optimizer["name"]].__name__)(**arguments)
    variables = [keras.Variable(np.zeros(shape, np.float32), name="w") for _, shape in weights]
    for variable, (path, _) in zip(variables, weights, strict=True):
        variable._path = path
    built.build(variables)
    slots = [variable.shape for variable in built.variables if len(variable.shape) > 0]
    return sum(math.prod(shape) for shape in slots)


@given(units=st.integers(1, 10**6), batch=st.integers(1, 10**6), more=st.integers(1, 10**6))
@settings(max_examples=30)
def test_memory_grows_with_units_and_batch(
    units: int, batch: int, more: int, make_spec: Any
) -> None:
    def needed(units: int, batch: int) -> int:
        layers = [{"type": "Dense", "units": units}, MLP[1]]
        spec = make_spec(model={"layers": layers}, training={"batch_size": min(batch, 10**6)})
        return resolve(spec, memory_limit=2**80).memory_bytes

    assert needed(units + more, batch) > needed(units, batch)
    assert needed(units, batch + more) >= needed(units, batch)


def test_the_limit_is_inclusive(make_spec: Any, faults_of: Any) -> None:
    needed = resolve(make_spec()).memory_bytes
    resolve(make_spec(), memory_limit=needed)
    (fault,) = faults_of(lambda: resolve(make_spec(), memory_limit=needed - 1))
    assert (fault.pointer, fault.rule) == ("/model/layers/0", "memory")


@pytest.mark.parametrize(
    ("layers", "at"),
    [
        ([{"type": "Dense", "units": 10**9}, *HEAD], 0),
        ([MLP[0], {"type": "Dense", "units": 10**9}, *HEAD], 1),
        (
            [
                MLP[0],
                {"type": "Dense", "units": 2**31 - 1},
                {"type": "Dense", "units": 2**31 - 1},
                *HEAD,
            ],
            2,
        ),
        (
            [
                {"type": "Reshape", "target_shape": [8, 8, 1]},
                {"type": "Conv2D", "filters": 10**8, "kernel_size": 1},
                {"type": "GlobalAveragePooling2D"},
                MLP[1],
            ],
            1,
        ),
        (
            [
                {"type": "Reshape", "target_shape": [8, 8, 1]},
                {"type": "Concatenate", "name": "wide", "inputs": ["reshape"] * 900, "axis": 1},
                {"type": "Concatenate", "inputs": ["wide"] * 900, "axis": 2},
                {"type": "GlobalAveragePooling2D"},
                MLP[1],
            ],
            2,
        ),
    ],
    ids=["units", "second", "bits", "activations", "concatenated"],
)
def test_a_spec_that_is_too_large_is_rejected_quickly(
    layers: list[Any], at: int, make_spec: Any, faults_of: Any
) -> None:
    spec = make_spec(model={"layers": layers}, regularization={"dropout": {"rate": 0.3}})
    (fault,) = faults_of(lambda: resolve(spec))
    assert (fault.pointer, fault.rule) == (f"/model/layers/{at}", "memory")
    assert "GiB" in fault.detail
    assert fastest_s(lambda: faults_of(lambda: resolve(spec))) < 0.05
    tracemalloc.start()
    faults_of(lambda: resolve(spec))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_sizes_that_double_with_every_layer_are_rejected(make_spec: Any, faults_of: Any) -> None:
    """10¹⁰⁰⁰ numbers, more than a float or a decimal string can hold."""
    layers: list[Any] = [{"type": "Dense", "units": 10, "name": "c0"}]
    layers += [
        {"type": "Concatenate", "name": f"c{n}", "inputs": [f"c{n - 1}"] * 100}
        for n in range(1, 600)
    ]
    (fault,) = faults_of(lambda: resolve(make_spec(model={"layers": layers}), memory_limit=2**999))
    assert fault.rule == "memory"
    place = int(fault.pointer.rpartition("/")[2])
    assert 10 * 100 ** (place - 1) <= MAX_NUMBERS < 10 * 100**place


def fastest_s(call: Callable[[], object]) -> float:
    """CPU seconds of the fastest of three calls."""
    times = []
    for _ in range(3):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times)


def test_the_policy_may_not_exceed_the_limit_of_layers(make_spec: Any, faults_of: Any) -> None:
    layers = [{"type": "Dense", "units": 2}] * (MAX_LAYERS - 1) + [MLP[1]]
    spec = make_spec(model={"layers": layers}, regularization={"weights": {"l2": 0.1}})
    assert fastest_s(lambda: resolve(spec)) < 1
    policy = {"dropout": {"rate": 0.3}}
    (fault,) = faults_of(
        lambda: resolve(make_spec(model={"layers": layers}, regularization=policy))
    )
    assert (fault.pointer, fault.rule) == ("/regularization/dropout", "too-many-layers")
    half = [*layers[: MAX_LAYERS // 2 - 1], MLP[1]]
    resolved = resolve(make_spec(model={"layers": half}, regularization=policy)).spec
    assert len(resolved.model.layers) == MAX_LAYERS - 1


def test_the_policy_becomes_part_of_the_layers(make_spec: Any) -> None:
    spec = make_spec(regularization={"weights": {"l2": 0.1}, "dropout": {"rate": 0.3}})
    resolved = resolve(spec).spec
    assert resolved.regularization == Regularization()
    assert wire(resolved.model.layers) == resolved.model.layers
    assert spec.regularization != Regularization()


def test_wide_networks_are_evaluated_in_batches_that_fit(make_spec: Any) -> None:
    """An evaluation's memory is limited by that of a training step."""
    layers = [
        {"type": "Reshape", "target_shape": [8, 8, 1]},
        {"type": "Conv2D", "filters": 20_000, "kernel_size": 1},
        {"type": "GlobalAveragePooling2D"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    narrow, wide = (
        resolve(make_spec(model={"layers": wide}, training={"batch_size": 1}))
        for wide in ([layers[0], {"type": "Flatten"}, layers[-1]], layers)
    )
    assert evaluation_rows(narrow.graph, batch_size=1) == 1024
    rows = evaluation_rows(wide.graph, batch_size=1)
    assert rows * wide.graph.activations * 4 <= 64 * 2**20
    assert wide.memory_bytes >= rows * wide.graph.activations * 4
    assert evaluation_rows(wide.graph, batch_size=100) == 200
