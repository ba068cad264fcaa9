"""A layer may have any name, also one that Keras gives to an operation of its own."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import MAX_LAYERS
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.model import Network
from worker.engine.names import keep_free

Json = dict[str, Any]
TOKENS: Json = {"source": "builtin", "name": "digits", "scaling": "none"}
OUT: Json = {"type": "Dense", "units": 10, "activation": "softmax"}


def embedding(name: str) -> Json:
    return {
        "type": "Embedding",
        "name": name,
        "inputs": ["input"],
        "input_dim": 17,
        "output_dim": 3,
        "mask_zero": True,
    }


def merged(kind: str, *names: str, **arguments: Any) -> list[Json]:
    """Two masked sequences merged by a layer, whose mask takes several operations, and an LSTM."""
    first, second, third = names
    return [
        embedding(first),
        embedding(second),
        {"type": kind, "inputs": [first, second], **arguments},
        {"type": "LSTM", "units": 2, "name": third},
        OUT,
    ]


@pytest.mark.parametrize("names", [("not_equal", "not_equal_1", "any")], ids=str)
@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "Concatenate"},
        {"kind": "Maximum", "name": "logical_or"},
        {"kind": "Average", "name": "concatenate"},
    ],
    ids=str,
)
def test_merged_masks_build_and_load(
    make_spec: MakeSpec, tmp_path: Path, names: tuple[str, ...], arguments: Json
) -> None:
    kind, *_ = arguments.values()
    rest = {key: value for key, value in arguments.items() if key != "kind"}
    layers = merged(kind, *names, **rest)
    network = Network(resolve(make_spec(dataset=TOKENS, model={"layers": layers})))
    network.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(1).integers(0, 17, (4, 64)).astype("float32")
    np.testing.assert_allclose(network.model(x), loaded(x), atol=1e-6)


def test_operations_get_none_of_the_names() -> None:
    """Neither now nor later, when the counter comes to a number that a layer has."""
    count = keras.backend.get_uid("not_equal")
    taken = {"not_equal", *(f"not_equal_{count + number}" for number in (1, 2, 5, 40))}
    keep_free([*taken, "x_1000000000000"])
    given = set()
    for _ in range(50):
        x = keras.Input((3,))
        given.add(keras.ops.not_equal(x, 0)._keras_history.operation.name)
    assert len(given) == 50
    assert not given & taken


@pytest.mark.slow
def test_longest_chain_of_layers_builds_and_loads(make_spec: MakeSpec, tmp_path: Path) -> None:
    """Keras does both by recursion."""
    layers = [*[{"type": "Activation", "activation": "relu"}] * (MAX_LAYERS - 1), OUT]
    network = Network(resolve(make_spec(dataset=TOKENS, model={"layers": layers})))
    network.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.layers) == MAX_LAYERS + 1
