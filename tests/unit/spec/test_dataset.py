"""Data sets have the shapes that their sources load, and splits add up."""

import json
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.dataset import (
    BUILTIN,
    KERAS,
    BuiltinDataset,
    DatasetShape,
    KerasCifar100,
    KerasHousing,
    KerasImages,
    KerasReviews,
    Split,
    split_rows,
)

DENSE = {"type": "Dense", "units": 10, "activation": "softmax"}
FLAT = {"layers": [{"type": "Flatten"}, DENSE]}
MNIST = {"source": "keras", "name": "mnist"}


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_shapes_are_those_of_scikit_learn(name: str) -> None:
    features, target = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    shape = BUILTIN[name]
    assert (shape.rows, *shape.features) == features.shape
    if shape.classes is None:
        assert len(np.unique(target)) > 100
    else:
        assert np.unique(target).tolist() == list(range(shape.classes))


def test_every_data_set_of_the_spec_has_a_shape() -> None:
    schema = BuiltinDataset.model_json_schema()
    assert set(schema["properties"]["name"]["enum"]) == set(BUILTIN)
    assert BuiltinDataset(name="iris").shape == BUILTIN["iris"]
    for name in ("mnist", "fashion_mnist", "cifar10"):
        assert KerasImages.model_validate({"source": "keras", "name": name}).shape == KERAS[name]
    for name in ("imdb", "reuters"):
        assert KerasReviews.model_validate({"source": "keras", "name": name}).shape == KERAS[name]


def test_options_change_the_shape() -> None:
    cifar = KerasCifar100(source="keras", name="cifar100")
    assert cifar.shape == KERAS["cifar100"]
    assert cifar.model_copy(update={"label_mode": "coarse"}).shape.classes == 20
    imdb = KerasReviews(source="keras", name="imdb", num_words=500, rows=100, test_rows=0)
    assert imdb.shape == DatasetShape(100, (500,), 2, test_rows=0, bytes_per_number=1, tokens=2)
    texts = KerasReviews(source="keras", name="imdb", encoding="sequence", maxlen=80)
    assert texts.shape == DatasetShape(25_000, (80,), 2, test_rows=25_000, tokens=10_000)
    housing = KerasHousing(source="keras", name="california_housing", version="small")
    assert (housing.shape.rows, housing.shape.test_rows) == (480, 120)


# Splits ------------------------------------------------------------------------------------------

SHARES = st.floats(0, 1, exclude_max=True)


@given(validation=SHARES, test=SHARES, rows=st.integers(0, 10**9), apart=st.integers(0, 10**9))
def test_the_parts_of_a_split_add_up_to_all_rows(
    validation: float, test: float, rows: int, apart: int
) -> None:
    data = DatasetShape(rows, (1,), 2, test_rows=apart)
    parts = split_rows(Split(validation=validation, test=test), data)
    assert sum(parts) == data.all_rows
    assert abs(parts.validation - validation * rows) <= 0.5
    assert abs(parts.test - apart - test * rows) <= 0.5


def test_a_split_rounds_to_the_nearest_row() -> None:
    assert split_rows(Split(validation=0.2, test=0.1), BUILTIN["digits"]) == (1258, 359, 180)
    assert split_rows(Split(validation=0.2), KERAS["mnist"]) == (48_000, 12_000, 10_000)


# A Keras data set in a spec ----------------------------------------------------------------------


def resolved(make_spec: Any, dataset: Any, **sections: Any) -> Resolution:
    return resolve(make_spec(dataset=dataset, **{"model": FLAT, **sections}))


def test_a_keras_data_sets_test_rows_are_the_test_part(make_spec: Any) -> None:
    resolution = resolved(make_spec, MNIST, split={"validation": 0.1})
    assert resolution.rows == (54_000, 6_000, 10_000)
    assert resolution.graph.input_shape == (28, 28, 1)
    limited = {**MNIST, "rows": 100, "test_rows": 30}
    assert resolved(make_spec, limited, split={"validation": 0.1}).rows == (90, 10, 30)
    assert resolved(make_spec, {**MNIST, "test_rows": 0}).rows.test == 0


def test_a_resolved_spec_resolves_to_itself(make_spec: Any) -> None:
    imdb = {"source": "keras", "name": "imdb", "num_words": 50}
    model = {"layers": [{**DENSE, "units": 2}]}
    spec = resolved(make_spec, imdb, model=model).spec
    again = resolve(type(spec).model_validate_json(spec.model_dump_json())).spec
    assert again == spec


@pytest.mark.parametrize(
    ("dataset", "split", "at", "words"),
    [
        (MNIST, {"test": 0.1}, "/split/test", "has its own test rows"),
        ({**MNIST, "test_rows": 0}, {"test": 0.1}, "/split/test", "dataset.test_rows"),
        ({**MNIST, "rows": 60_001}, {}, "/dataset/rows", "at most 60000"),
        ({**MNIST, "test_rows": 10_001}, {}, "/dataset/test_rows", "at most 10000"),
        ({**MNIST, "rows": 3}, {"validation": 0.1}, "/split/validation", "0.1 of 3 rows is 0"),
    ],
)
def test_a_request_for_missing_rows_is_rejected(
    dataset: Any, split: Any, at: str, words: str, make_spec: Any, faults_of: Any
) -> None:
    (fault,) = faults_of(lambda: resolved(make_spec, dataset, split=split))
    assert fault.pointer == at
    assert words in fault.detail


def test_all_limits_are_reported_at_once(make_spec: Any, faults_of: Any) -> None:
    small = {"source": "keras", "name": "california_housing", "version": "small"}
    greedy = {**small, "rows": 481, "test_rows": 121}
    faults = faults_of(lambda: resolved(make_spec, greedy, split={"test": 0.5}))
    assert [f.pointer for f in faults] == ["/dataset/rows", "/dataset/test_rows", "/split/test"]


# Memory ------------------------------------------------------------------------------------------

IMDB = {"source": "keras", "name": "imdb"}
BINARY = {"layers": [{"type": "Dense", "units": 1, "activation": "sigmoid"}]}


def memory(make_spec: Any, *, limit: int | None = None, **options: Any) -> int:
    training = {"loss": "binary_crossentropy"}
    spec = make_spec(dataset={**IMDB, **options}, model=BINARY, training=training)
    return resolve(spec, memory_limit=limit).memory_bytes


def test_rows_are_bytes_in_memory_and_test_rows_count(make_spec: Any) -> None:
    every, none = memory(make_spec), memory(make_spec, test_rows=0)
    assert every - none == 25_000 * 10_000
    fewer = memory(make_spec, test_rows=0, rows=24_000)
    assert none - fewer == 1_000 * 10_000
    sequences = memory(make_spec, encoding="sequence", maxlen=10_000)
    assert sequences - memory(make_spec) == 3 * 50_000 * 10_000


def test_streamed_rows_take_two_blocks(make_spec: Any) -> None:
    held, streamed = (memory(make_spec, loading=way) for way in ("memory", "stream"))
    # 64 MiB are 209 batches of 32 rows of 10,000 bytes.
    assert held - streamed == (50_000 - 2 * 209 * 32) * 10_000
    small = memory(make_spec, rows=100, test_rows=0)
    assert memory(make_spec, loading="stream", rows=100, test_rows=0) == small


def test_auto_streams_rows_that_do_not_fit_in_memory(make_spec: Any, faults_of: Any) -> None:
    limit = 400 * 2**20
    streamed = memory(make_spec, loading="stream")
    assert memory(make_spec, limit=limit) == streamed < limit
    (fault,) = faults_of(lambda: memory(make_spec, limit=limit, loading="memory"))
    assert fault.rule == "memory"
    assert fault.pointer == "/dataset/loading"
    assert '"stream"' in fault.detail
    (fault,) = faults_of(lambda: memory(make_spec, limit=2**20))
    assert fault.pointer == "/model/layers/0"


def test_the_schema_accepts_a_data_set_without_a_source(make_spec: Any) -> None:
    spec = make_spec(dataset={"name": "iris"}, model={"layers": [{**DENSE, "units": 3}]})
    assert spec.dataset == BuiltinDataset(name="iris")
    assert json.loads(spec.model_dump_json(exclude_unset=True))["dataset"] == {
        "source": "builtin",
        "name": "iris",
    }
