"""Random small networks predict the same in every format: on data, zeros, padding and extremes."""

import typing
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers as kl

from ridgeline.spec.layers.base import Activation
from ridgeline.spec.outputs import OutputName
from tests.unit.worker.engine.export.runtimes import InThisProcess
from worker.engine.context import InMemoryContext, Reader, Rows
from worker.engine.export.checked import CheckedExports
from worker.engine.export.probes import Probes

pytestmark = pytest.mark.slow

OUTPUTS: tuple[OutputName, ...] = ("keras", "weights", "saved_model", "litert", "onnx")
STEPS, TOKENS = 4, 9
ACTIVATIONS = [
    name for name in typing.get_args(Activation) if name not in {"sparsemax", "exponential"}
]


class Drawn(NamedTuple):
    """A network to build: Keras's layers draw random seeds, which a strategy must not."""

    seed: int
    tokens: bool
    layers: list[Callable[[], kl.Layer]]
    averaged: bool
    activation: str


def sequences() -> st.SearchStrategy[Callable[[], kl.Layer]]:
    """Layers from a sequence to a sequence."""
    kinds = st.sampled_from([kl.SimpleRNN, kl.LSTM, kl.GRU])
    unroll, backwards = st.booleans(), st.booleans()
    return st.one_of(
        st.builds(one_way, kinds, unroll, backwards),
        st.builds(both_ways, kinds, unroll),
        st.builds(partial, st.just(kl.Dense), st.just(3), st.sampled_from(ACTIVATIONS)),
        st.sampled_from([kl.UnitNormalization, kl.LayerNormalization, kl.RMSNormalization]),
    )


def one_way(kind: Any, unroll: bool, backwards: bool) -> Callable[[], kl.Layer]:
    return lambda: kind(3, unroll=unroll, go_backwards=backwards, return_sequences=True)


def both_ways(kind: Any, unroll: bool) -> Callable[[], kl.Layer]:
    return lambda: kl.Bidirectional(kind(2, unroll=unroll, return_sequences=True))


NETWORKS = st.builds(
    Drawn,
    st.integers(0, 99),
    st.booleans(),
    st.lists(sequences(), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from(ACTIVATIONS),
)


def built(drawn: Drawn) -> tuple[keras.Model, Rows]:
    """The network, over masked tokens or over numbers, and rows for it."""
    keras.utils.set_random_seed(drawn.seed)
    random = np.random.default_rng(drawn.seed)
    if drawn.tokens:
        x = keras.Input((STEPS,), name="input")
        rows = random.integers(1, TOKENS, (9, STEPS)).astype(np.float32)
        flow = kl.Embedding(TOKENS, 3, mask_zero=True, embeddings_initializer="normal")(x)
    else:
        x = flow = keras.Input((STEPS, 3), name="input")
        rows = random.normal(0, 2, (9, STEPS, 3)).astype(np.float32)
    rows[0], rows[1, 2:], rows[2, :2] = 0, 0, 0
    if drawn.tokens and drawn.averaged:
        rows[0, 0] = 1  # the mean of no step at all is NaN in Keras itself
    for layer in drawn.layers:
        flow = layer()(flow)
    end = kl.GlobalAveragePooling1D() if drawn.averaged else kl.GlobalMaxPooling1D()
    return keras.Model(x, kl.Dense(2, drawn.activation)(end(flow))), rows


@given(NETWORKS)
@settings(
    max_examples=3,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_format_predicts_what_the_model_does(drawn: Drawn) -> None:
    model, rows = built(drawn)
    wild = np.stack([np.full_like(rows[0], value) for value in (1e4, -1e4)])
    probes = Probes(
        rows, tuple(f"row {number}" for number in range(9)), wild[: 2 * (rows.ndim > 2)]
    )
    readers: dict[str, Reader] = {output: InThisProcess(output) for output in OUTPUTS}
    with TemporaryDirectory() as folder:
        context = InMemoryContext(Path(folder), readers=readers)
        assert CheckedExports(model, probes, OUTPUTS, context).settle().refused == ()
