"""What half precision must not touch."""

import keras
import numpy as np
import pytest

from ridgeline.planning.resolve import resolve
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.model import Network


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("before", [[], [{"type": "Reshape", "target_shape": [2, 2]}]])
def test_an_embedding_reads_every_number_exactly(
    make_spec: MakeSpec, precision: str, before: list[dict[str, object]]
) -> None:
    """Of bfloat16 300 and 301 are one number, of float16 2048 and 2049."""
    layers = [
        *before,
        {"type": "Embedding", "input_dim": 5000, "output_dim": 4},
        {"type": "Flatten"},
        {"type": "Dense", "units": 2, "activation": "softmax"},
    ]
    texts = {"source": "keras", "name": "imdb", "encoding": "sequence", "maxlen": 4}
    spec = make_spec(
        dataset=texts | {"num_words": 5000},
        split={"validation": 0.2},
        model={"layers": layers},
        training={"precision": precision},
    )
    network = Network(resolve(spec))
    for number in (300, 2048):
        rows = np.full((2, 4), number, np.float32)
        rows[1] += 1
        embedded = keras.Model(network.model.input, network.layers["embedding"].output)
        one, other = np.array(embedded(rows))
        assert not np.array_equal(one, other)
    assert network.layers["embedding"].compute_dtype == precision.removeprefix("mixed_")
