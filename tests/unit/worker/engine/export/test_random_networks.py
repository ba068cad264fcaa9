"""Random small networks predict the same in every format: on data, zeros, padding and extremes."""

import typing
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers as kl

from ridgeline.spec.layers.base import Activation
from ridgeline.spec.outputs import OutputName
from tests.unit.worker.engine.export.runtimes import InThisProcess
from worker.engine.context import InMemoryContext, Rows
from worker.engine.export.checked import CheckedExports
from worker.engine.export.probes import Probes

pytestmark = pytest.mark.slow

OUTPUTS: tuple[OutputName, ...] = ("keras", "weights", "saved_model", "litert", "onnx")
STEPS, TOKENS = 5, 9
ACTIVATIONS = [
    name for name in typing.get_args(Activation) if name not in {"sparsemax", "exponential"}
]


def sequences() -> st.SearchStrategy[kl.Layer]:
    """Layers from a sequence to a sequence."""
    kinds = st.sampled_from([kl.SimpleRNN, kl.LSTM, kl.GRU])
    options = st.fixed_dictionaries(
        {"unroll": st.booleans(), "go_backwards": st.booleans(), "return_sequences": st.just(True)}
    )
    both = st.fixed_dictionaries({"unroll": st.booleans(), "return_sequences": st.just(True)})
    return st.one_of(
        st.builds(lambda kind, rest: kind(3, **rest), kinds, options),
        st.builds(lambda kind, rest: kl.Bidirectional(kind(2, **rest)), kinds, both),
        st.builds(lambda activation: kl.Dense(3, activation), st.sampled_from(ACTIVATIONS)),
        st.sampled_from([kl.UnitNormalization, kl.LayerNormalization, kl.RMSNormalization]).map(
            lambda kind: kind()
        ),
    )


@st.composite
def networks(draw: st.DrawFn) -> tuple[keras.Model, Rows]:
    """A network over masked tokens, or over numbers, and rows for it."""
    seed = draw(st.integers(0, 99))
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    if draw(st.booleans()):
        x = keras.Input((STEPS,), name="input")
        rows = random.integers(1, TOKENS, (9, STEPS)).astype(np.float32)
        flow = kl.Embedding(TOKENS, 3, mask_zero=True, embeddings_initializer="normal")(x)
    else:
        x = flow = keras.Input((STEPS, 3), name="input")
        rows = random.normal(0, 2, (9, STEPS, 3)).astype(np.float32)
    rows[0], rows[1, 2:], rows[2, :2] = 0, 0, 0
    for layer in draw(st.lists(sequences(), min_size=1, max_size=3)):
        flow = layer(flow)
    end = kl.GlobalMaxPooling1D() if draw(st.booleans()) else kl.GlobalAveragePooling1D()
    return keras.Model(x, kl.Dense(2, draw(st.sampled_from(ACTIVATIONS)))(end(flow))), rows


@given(networks())
@settings(
    max_examples=4,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_format_predicts_what_the_model_does(drawn: tuple[keras.Model, Rows]) -> None:
    model, rows = drawn
    wild = np.stack([np.full_like(rows[0], value) for value in (1e4, -1e4)])
    probes = Probes(
        rows, tuple(f"row {number}" for number in range(9)), wild[: 2 * (rows.ndim > 2)]
    )
    readers = {output: InThisProcess(output) for output in OUTPUTS}
    with TemporaryDirectory() as folder:
        context = InMemoryContext(Path(folder), readers=readers)
        assert CheckedExports(model, probes, OUTPUTS, context).settle().refused == ()
