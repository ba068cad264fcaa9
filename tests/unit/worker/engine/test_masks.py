"""Padding masks reach the same layers in training, in measuring and in the saved file."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, example, given, reject, settings
from hypothesis import strategies as st

from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from tests.unit.worker.engine.keras_fit import assert_same_as_fit
from worker.engine.data import Data, Part
from worker.engine.data.scaling import FeatureScaling
from worker.engine.export.write import complete_model
from worker.engine.passes import evaluate_pass, place

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*destroy the mask")]

Json = dict[str, Any]
STEPS, WORDS, WIDTH = 5, 12, 4
TEXTS: Json = {"source": "keras", "name": "imdb", "encoding": "sequence", "maxlen": STEPS}
EMBEDDING: Json = {"type": "Embedding", "input_dim": WORDS, "output_dim": WIDTH, "mask_zero": True}
ATTENTION: list[Json] = [
    {"type": "MultiHeadAttention", "num_heads": 2, "key_dim": 2},
    {"type": "GroupQueryAttention", "head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1},
    {"type": "Attention"},
    {"type": "AdditiveAttention"},
]
MERGES: list[Json] = [
    {"type": kind} for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
]
SAME_SHAPE: list[Json] = [
    {"type": "LayerNormalization"},
    {"type": "BatchNormalization"},
    {"type": "Dense", "units": WIDTH, "activation": "tanh"},
    {"type": "Activation", "activation": "tanh"},
    {"type": "TimeDistributed", "layer": {"type": "Dense", "units": WIDTH}},
    {"type": "LSTM", "units": WIDTH, "return_sequences": True},
    {"type": "GRU", "units": WIDTH, "return_sequences": True},
    {
        "type": "Bidirectional",
        "merge_mode": "sum",
        "layer": {"type": "SimpleRNN", "units": WIDTH, "return_sequences": True},
    },
    # At rate 0 they are the identity, in training too.
    *({"type": kind, "rate": 0.0} for kind in ("Dropout", "SpatialDropout1D")),
]
POOLING: list[Json] = [
    {"type": "GlobalAveragePooling1D"},
    {"type": "GlobalMaxPooling1D"},
    {"type": "LSTM", "units": 3},
]


def attended(source: str, name: str) -> list[Json]:
    """A Transformer's block: attention and a dense layer, each with a residual connection."""
    one, sum_, norm, two, end = (f"{name}{n}" for n in range(5))
    return [
        {**ATTENTION[0], "inputs": [source, source], "name": one},
        {"type": "Add", "inputs": [source, one], "name": sum_},
        {"type": "LayerNormalization", "inputs": [sum_], "name": norm},
        {"type": "Dense", "units": WIDTH, "activation": "gelu", "inputs": [norm], "name": two},
        {"type": "Add", "inputs": [norm, two], "name": end},
    ]


TOKENS: Json = {**EMBEDDING, "name": "tokens", "inputs": ["input"]}
BLOCKS = [TOKENS, *attended("tokens", "a"), *attended("a4", "b"), POOLING[0]]
#: The gate reads the tokens' mask at run time, and attention has removed it by then.
GATED = [
    TOKENS,
    {**ATTENTION[0], "inputs": ["tokens", "tokens"], "name": "seen"},
    {"type": "Multiply", "inputs": ["tokens", "seen"]},
    POOLING[1],
]


@st.composite
def networks(draw: st.DrawFn) -> list[Json]:
    """Layers over sequences of one width that attend, recur and merge, up to pooling."""
    layers, unused = [TOKENS], ["tokens"]
    if draw(st.booleans()):
        unmasked = {**EMBEDDING, "mask_zero": False, "name": "unmasked", "inputs": ["input"]}
        layers.append(unmasked)
        unused.append("unmasked")
    for number in range(draw(st.integers(2, 6))):
        kind = draw(st.sampled_from([*ATTENTION, *ATTENTION, *MERGES, *SAME_SHAPE]))
        names = st.sampled_from([str(layer["name"]) for layer in layers])
        two = kind in ATTENTION or kind in MERGES
        inputs = [draw(names) for _ in range(1 + two)]
        layers.append({**kind, "name": f"layer{number}", "inputs": inputs})
        unused = [name for name in unused if name not in inputs] + [f"layer{number}"]
    if len(unused) > 1:
        merge = draw(st.sampled_from([*MERGES[3:], {"type": "Concatenate"}]))
        layers.append({**merge, "name": "merged", "inputs": unused})
        unused = ["merged"]
    return [*layers, {**draw(st.sampled_from(POOLING)), "inputs": unused}]


def test_attention_leaves_masks_to_later_layers(make_spec: MakeSpec) -> None:
    setup = Setup(spec_of(BLOCKS, make_spec), padded_texts())
    assert_same_as_fit(setup, epochs=1)
    assert_measured_as_saved(setup)


@given(networks())
@example(GATED)
@settings(
    max_examples=6,
    database=None,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[*HealthCheck],
)
@pytest.mark.filterwarnings("ignore:.*run_functions_eagerly")
@pytest.mark.usefixtures("untraced")
def test_what_is_trained_and_measured_is_what_is_saved(
    make_spec: MakeSpec, layers: list[Json]
) -> None:
    try:
        setup = Setup(spec_of(layers, make_spec), padded_texts())
    except SpecError:
        reject()
    assert_same_as_fit(setup, epochs=1)
    assert_measured_as_saved(setup)


@pytest.fixture
def untraced() -> Iterator[None]:
    """Run functions without tracing them: a trace takes seconds, one step milliseconds."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def spec_of(layers: list[Json], make_spec: MakeSpec) -> JobSpec:
    return make_spec(
        dataset=TEXTS | {"num_words": WORDS},
        split={"validation": 0.2},
        model={"layers": [*layers, {"type": "Dense", "units": 1, "activation": "sigmoid"}]},
        training={
            "loss": "binary_crossentropy",
            "metrics": ["accuracy", "mean_squared_error"],
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
        },
    )


def padded_texts(rows: int = 48) -> Data:
    """Token numbers, padded with zeros; the target is whether a text has a low one."""
    draw = np.random.default_rng(2)
    x = draw.integers(1, WORDS, (rows, STEPS)).astype(np.int32)
    x[np.arange(STEPS) >= draw.integers(1, STEPS + 1, (rows, 1))] = 0
    y = ((x == 1) | (x == 2)).any(axis=1, keepdims=True).astype(np.float32)
    parts = np.split(np.arange(rows), [rows // 2, 3 * rows // 4])
    train, validation, test = (Part(x[part], y[part]) for part in parts)
    identity = FeatureScaling(np.zeros(STEPS, np.float32), np.ones(STEPS, np.float32))
    return Data(train, validation, test, scaling=identity, scaled=False, indices={})


def assert_measured_as_saved(setup: Setup) -> None:
    """The losses and metrics of every part are those of `evaluate` of the file, read again."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        complete_model(setup.network, setup.objective, setup.data).save(path)
        saved = keras.models.load_model(path)
    for part in (setup.data.train, setup.data.validation, setup.data.test):
        placed = place(part, batch_size=setup.spec.training.batch_size)
        measured = evaluate_pass(setup.epoch, placed, setup.objective.penalties.coefficients)
        x = np.asarray(part.x, np.float32)
        theirs = saved.evaluate(x, part.y, batch_size=len(x), verbose=0, return_dict=True)
        ours = {"loss": measured.data_loss, **measured.metrics}
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)
