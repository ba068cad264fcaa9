"""An Embedding is rejected unless it reads token numbers and has a vector for each."""

from typing import Any

import pytest

from ridgeline.planning.resolve import resolve
from tests.unit.networks.spatial_layers import Json

OUT: Json = {"type": "Dense", "units": 10, "activation": "softmax"}
FLAT: Json = {"type": "Flatten"}
PIXELS: Json = {"source": "builtin", "name": "digits", "scaling": "none"}
SCALED: Json = {"source": "builtin", "name": "digits"}
TEXTS: Json = {"source": "keras", "name": "reuters", "encoding": "sequence", "maxlen": 8}
EMBEDDING: Json = {"type": "Embedding", "input_dim": 17, "output_dim": 2}
SQUARE: Json = {"type": "Reshape", "target_shape": [8, 8, 1]}
LARGER: Json = {"type": "UpSampling2D"}


def spectral(layer: Json) -> Json:
    return {"type": "SpectralNormalization", "layer": layer}


@pytest.mark.parametrize(
    ("dataset", "layers", "pointer", "words"),
    [
        (SCALED, [EMBEDDING], "/model/layers/0", "real values"),
        (PIXELS | {"name": "wine"}, [EMBEDDING], "/model/layers/0", "real values"),
        (PIXELS, [EMBEDDING | {"input_dim": 16}], "/model/layers/0/input_dim", "at least 17"),
        (
            PIXELS,
            [spectral(EMBEDDING | {"input_dim": 16})],
            "/model/layers/0/layer/input_dim",
            "up to 16; received 16",
        ),
        (PIXELS, [{"type": "Dropout", "rate": 0.5}, EMBEDDING], "/model/layers/1", "'dropout'"),
        (PIXELS, [EMBEDDING, EMBEDDING], "/model/layers/1", "after 'embedding'"),
        (
            PIXELS,
            [SQUARE, LARGER | {"interpolation": "bicubic"}, EMBEDDING],
            "/model/layers/2",
            "after 'up_sampling2d'",
        ),
        (
            {"source": "keras", "name": "mnist", "scaling": "none"},
            [EMBEDDING],
            "/model/layers/0/input_dim",
            "at least 256",
        ),
        (TEXTS, [EMBEDDING], "/model/layers/0/input_dim", "at least 10000"),
        (
            TEXTS | {"encoding": "multi_hot"},
            [EMBEDDING | {"input_dim": 1}],
            "/model/layers/0/input_dim",
            "at least 2",
        ),
    ],
)
def test_an_embedding_of_anything_but_known_tokens_is_rejected(
    dataset: Json, layers: list[Json], pointer: str, words: str, make_spec: Any, faults_of: Any
) -> None:
    units = {"reuters": 46, "wine": 3}.get(dataset["name"], 10)
    spec = make_spec(dataset=dataset, model={"layers": [*layers, FLAT, OUT | {"units": units}]})
    (fault,) = faults_of(lambda: resolve(spec))
    assert fault.pointer == pointer
    assert fault.rule == "embeds-tokens"
    assert words in fault.detail


@pytest.mark.parametrize(
    "layers",
    [
        [EMBEDDING],
        [spectral(EMBEDDING)],
        [SQUARE, LARGER, {"type": "ZeroPadding2D"}, FLAT, EMBEDDING],
        [{"type": "Concatenate", "inputs": ["input", "input"]}, EMBEDDING],
    ],
)
def test_an_embedding_of_moved_tokens_is_accepted(layers: list[Json], make_spec: Any) -> None:
    resolve(make_spec(dataset=PIXELS, model={"layers": [*layers, FLAT, OUT]}))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_an_embedding_of_rounded_tokens_is_rejected(
    precision: str, make_spec: Any, faults_of: Any
) -> None:
    embedding = EMBEDDING | {"input_dim": 10_000}

    def spec(*layers: Json) -> Any:
        model = {"layers": [*layers, FLAT, OUT | {"units": 46}]}
        return make_spec(dataset=TEXTS, model=model, training={"precision": precision})

    resolve(spec(embedding))
    resolve(spec(FLAT, embedding))
    (fault,) = faults_of(lambda: resolve(spec(spectral(embedding))))
    assert fault.rule == "embeds-tokens"
    assert precision in fault.detail
