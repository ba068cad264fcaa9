"""Tables become the numbers that Keras's preprocessing layers make of them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ridgeline.api.features import ColumnFeatures
from ridgeline.planning.resolve import resolve
from tests.unit.worker.engine.data.stored.files import (
    Upload,
    all_rows,
    all_targets,
    csv_file,
    parquet_file,
)
from worker.engine.data import Data, prepare_data

ROWS = 60
RANDOM = np.random.default_rng(5)
CITIES = [["Berlin", "Paris", "Rome, IT", "Ürümqi"][i] for i in RANDOM.integers(0, 4, ROWS)]
SIZES = [["S", "M", "L"][i] for i in RANDOM.integers(0, 3, ROWS)]
FLOORS = RANDOM.integers(-2, 5, ROWS).tolist()
WIDTHS = RANDOM.normal(10, 3, ROWS).round(3).tolist()
WILD = (RANDOM.random(ROWS) < 0.5).tolist()
KINDS = [["b", "a"][i % 2] for i in range(ROWS)]
WORDS = ["Good", "good!", "BAD", "fine,", "don't", "so-so", "Łódź", "naïve"]
REVIEWS = [" ".join(RANDOM.choice(WORDS, 1 + i % 7)) for i in range(ROWS)]
TABLE = {
    "width": WIDTHS,
    "city": CITIES,
    "floor": FLOORS,
    "size": SIZES,
    "wild": WILD,
    "review": REVIEWS,
    "kind": KINDS,
}


@pytest.fixture(params=[csv_file, parquet_file])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Upload:
    upload: Upload = request.param(tmp_path, TABLE)
    return upload


def one(upload: Upload, name: str, encoding: Any, scaling: str = "none", **options: Any) -> Data:
    """A single column as it is trained on."""
    encodings = {name: encoding} if encoding else {}
    return upload.data(
        target="kind", features=[name], scaling=scaling, encodings=encodings, **options
    )


def column(data: Data) -> ColumnFeatures:
    assert data.row_encoding is not None
    assert data.row_encoding.columns is not None
    (found,) = data.row_encoding.columns
    return found


@pytest.mark.parametrize(("name", "values"), [("width", WIDTHS), ("floor", FLOORS), ("wild", WILD)])
def test_numbers_are_themselves(table: Upload, name: str, values: list[float]) -> None:
    np.testing.assert_array_equal(
        all_rows(one(table, name, None)), np.array(values, np.float32)[:, np.newaxis]
    )


@pytest.mark.parametrize("make", [csv_file, parquet_file])
def test_long_whole_numbers_are_rounded(make: Any, tmp_path: Path) -> None:
    long = [2**60 + row for row in range(ROWS)]
    upload = make(tmp_path, {"long": long, "kind": KINDS})
    np.testing.assert_array_equal(all_rows(one(upload, "long", None))[:, 0], np.float32(2**60))
    target = upload.data(units=1, target="long", features=["kind"])
    np.testing.assert_array_equal(all_targets(target)[:, 0], np.float32(2**60))


@pytest.mark.parametrize(("name", "values"), [("city", CITIES), ("size", SIZES)])
def test_one_hot_is_keras_string_lookup(table: Upload, name: str, values: list[str]) -> None:
    layer = keras.layers.StringLookup(
        vocabulary=sorted(set(values)), num_oov_indices=0, output_mode="one_hot"
    )
    data = one(table, name, "one_hot")
    np.testing.assert_array_equal(all_rows(data), layer(np.array(values)))
    assert data.train.x.dtype == np.uint8
    assert column(data).categories == tuple(sorted(set(values)))


def test_ordinal_is_keras_string_lookup(table: Upload) -> None:
    layer = keras.layers.StringLookup(vocabulary=["S", "M", "L"])
    encoding = {"type": "ordinal", "categories": ["S", "M", "L"]}
    np.testing.assert_array_equal(
        all_rows(one(table, "size", encoding))[:, 0], layer(np.array(SIZES))
    )


def test_categories_of_whole_numbers_are_keras_integer_lookup(table: Upload) -> None:
    layer = keras.layers.IntegerLookup(vocabulary=sorted(set(FLOORS)))
    np.testing.assert_array_equal(
        all_rows(one(table, "floor", "ordinal"))[:, 0], layer(np.array(FLOORS))
    )


def test_booleans_as_categories(table: Upload) -> None:
    data = one(table, "wild", "one_hot")
    np.testing.assert_array_equal(all_rows(data), np.eye(2)[np.array(WILD, int)])
    assert column(data).categories == ("false", "true")


def ascii_reviews(tmp_path: Path) -> tuple[Upload, list[str]]:
    reviews = [review.encode("ascii", "ignore").decode() + "\tend" for review in REVIEWS]
    return csv_file(tmp_path, {"review": reviews, "kind": KINDS}), reviews


@pytest.mark.parametrize("num_words", [4, 6, 40])
def test_multi_hot_is_keras_text_vectorization(num_words: int, tmp_path: Path) -> None:
    upload, reviews = ascii_reviews(tmp_path)
    data = one(upload, "review", {"type": "multi_hot", "num_words": num_words})
    layer = keras.layers.TextVectorization(
        max_tokens=num_words, output_mode="multi_hot", pad_to_max_tokens=True
    )
    layer.adapt([reviews[row] for row in data.indices["train"]])
    np.testing.assert_array_equal(all_rows(data), layer(np.array(reviews)))
    assert list(column(data).words or ()) == layer.get_vocabulary()[1:]


@pytest.mark.parametrize(("num_words", "maxlen"), [(5, 4), (40, 4), (40, 12)])
def test_a_sequence_is_keras_text_vectorization_padded(
    num_words: int, maxlen: int, tmp_path: Path
) -> None:
    upload, reviews = ascii_reviews(tmp_path)
    encoding = {"type": "sequence", "num_words": num_words, "maxlen": maxlen}
    data = one(upload, "review", encoding)
    layer = keras.layers.TextVectorization(max_tokens=num_words, ragged=True)
    layer.adapt([reviews[row] for row in data.indices["train"]])
    expected = keras.utils.pad_sequences(layer(np.array(reviews)).to_list(), maxlen)
    np.testing.assert_array_equal(all_rows(data), expected)
    assert data.train.x.dtype == np.int32
    assert list(column(data).words or ()) == layer.get_vocabulary()[2:]


def test_letters_beyond_ascii_lose_their_case_too(table: Upload) -> None:
    words = column(one(table, "review", "multi_hot")).words or ()
    assert {"łódź", "naïve", "dont", "soso", "good"} <= set(words)


def test_columns_lie_side_by_side_in_the_order_of_features(table: Upload) -> None:
    features = ["review", "width", "city", "size"]
    encodings = {"review": {"type": "multi_hot", "num_words": 5}, "size": "ordinal"}
    data = table.data(target="kind", features=features, encodings=encodings, scaling="none")
    parts = [one(table, name, encodings.get(name)) for name in features]
    np.testing.assert_array_equal(all_rows(data), np.hstack([all_rows(part) for part in parts]))
    assert data.row_encoding is not None
    places = [(each.name, each.first, each.width) for each in data.row_encoding.columns or ()]
    assert places == [("review", 0, 5), ("width", 5, 1), ("city", 6, 4), ("size", 10, 1)]
    assert data.row_encoding.shape == (11,)
    assert data.row_encoding.target.classes == ("a", "b")
    np.testing.assert_array_equal(all_targets(data), np.eye(2)[[1, 0] * (ROWS // 2)])


def test_scaling_is_keras_normalization_of_numbers_alone(table: Upload) -> None:
    data = table.data(target="kind", features=["width", "city", "floor"])
    layer = keras.layers.Normalization()
    numbers = np.array([WIDTHS, FLOORS], np.float32).T
    layer.adapt(numbers[data.indices["train"]])
    mean, variance = data.scaling.mean, data.scaling.variance
    np.testing.assert_allclose(mean[[0, 5]], np.squeeze(layer.mean), rtol=1e-5)
    np.testing.assert_allclose(variance[[0, 5]], np.squeeze(layer.variance), rtol=1e-4)
    np.testing.assert_array_equal(mean[1:5], 0)
    np.testing.assert_array_equal(variance[1:5], 1)
    scaled = np.asarray(data.train.x)
    expected = layer(numbers[data.indices["train"]])
    np.testing.assert_allclose(scaled[:, [0, 5]], expected, rtol=1e-4, atol=1e-5)
    assert set(np.unique(scaled[:, 1:5])) == {0.0, 1.0}


def test_a_real_target(table: Upload) -> None:
    data = table.data(units=1, target="width", features=["floor"])
    np.testing.assert_array_equal(all_targets(data)[:, 0], np.array(WIDTHS, np.float32))
    assert data.row_encoding is not None
    assert data.row_encoding.target.model_dump() == {
        "name": "width",
        "task": "regression",
        "classes": None,
    }


def test_numbers_as_classes_are_numbered_in_ascending_order(table: Upload) -> None:
    classes = sorted(set(FLOORS))
    data = table.data(
        units=len(classes),
        target="floor",
        features=["width"],
        training={"loss": "sparse_categorical_crossentropy"},
        model={"layers": [{"type": "Dense", "units": len(classes), "activation": "softmax"}]},
    )
    np.testing.assert_array_equal(all_targets(data), np.searchsorted(classes, FLOORS))
    assert data.row_encoding is not None
    assert data.row_encoding.target.classes == tuple(map(str, classes))


# Missing values ----------------------------------------------------------------------------------


@pytest.fixture(params=[csv_file, parquet_file])
def gappy(request: pytest.FixtureRequest, tmp_path: Path) -> Upload:
    def with_gaps(values: list[Any]) -> list[Any]:
        return [None if index % 7 == 3 else value for index, value in enumerate(values)]

    columns = {name: with_gaps(TABLE[name]) for name in ("width", "city", "size", "review")}
    upload: Upload = request.param(tmp_path, {**columns, "kind": KINDS})
    return upload


GAPS = np.arange(ROWS) % 7 == 3


def test_the_mean_of_the_training_rows_stands_for_a_missing_number(gappy: Upload) -> None:
    data = one(gappy, "width", {"type": "number", "missing": "mean"})
    train = [row for row in data.indices["train"] if not GAPS[row]]
    mean = np.mean(np.array(WIDTHS)[train])
    np.testing.assert_allclose(all_rows(data)[:, 0], np.where(GAPS, mean, WIDTHS), rtol=1e-6)
    assert column(data).missing == pytest.approx(mean, rel=1e-12)
    assert mean != np.mean(np.array(WIDTHS)[~GAPS])


def test_zero_may_stand_for_it(gappy: Upload) -> None:
    data = one(gappy, "width", {"type": "number", "missing": "zero"})
    np.testing.assert_allclose(all_rows(data)[:, 0], np.where(GAPS, 0, WIDTHS), rtol=1e-6)
    assert column(data).missing == 0


def test_missing_categories_and_texts(gappy: Upload) -> None:
    for name, encoding in (("city", "one_hot"), ("review", "multi_hot"), ("size", "ordinal")):
        rows = all_rows(one(gappy, name, encoding))
        np.testing.assert_array_equal(rows[GAPS], 0)
        assert np.all(np.any(rows[~GAPS] != 0, axis=1))


# Fitted on the training rows only ----------------------------------------------------------------


def test_held_out_rows_teach_nothing(tmp_path: Path) -> None:
    def upload(suffix: str, held_out: set[int]) -> Upload:
        folder = tmp_path / (suffix or "plain")
        folder.mkdir()
        reviews = [
            f"{review} {suffix}" if row in held_out else review
            for row, review in enumerate(REVIEWS)
        ]
        shift = 100 if suffix else 0
        widths = [
            None if row % 5 == 0 else value + (shift if row in held_out else 0)
            for row, value in enumerate(WIDTHS)
        ]
        return csv_file(folder, {"review": reviews, "width": widths, "kind": KINDS})

    options: dict[str, Any] = {
        "target": "kind",
        "encodings": {
            "review": {"type": "multi_hot", "num_words": 30},
            "width": {"type": "number", "missing": "mean"},
        },
    }
    plain = upload("", set()).data(**options)
    held_out = {*plain.indices["validation"], *plain.indices["test"]}
    other = upload("surprise", held_out).data(**options)
    np.testing.assert_array_equal(plain.train.x, other.train.x)
    assert plain.row_encoding is not None
    assert other.row_encoding is not None
    assert plain.row_encoding.columns == other.row_encoding.columns
    np.testing.assert_array_equal(plain.scaling.mean, other.scaling.mean)
    assert not np.array_equal(plain.validation.x, other.validation.x)


# On disk -----------------------------------------------------------------------------------------


def test_what_streams_is_what_is_held(
    table: Upload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Chunks of seven rows, so that they are many and the last one is short.
    monkeypatch.setattr("worker.engine.data.sources.stored.tables.chunk_rows", lambda _: 7)
    options: dict[str, Any] = {"target": "kind", "encodings": {"review": "multi_hot"}}
    held = table.data(tmp_path / "scratch", loading="memory", **options)
    streamed = table.data(tmp_path / "scratch", loading="stream", **options)
    assert (held.train.streamed, streamed.train.streamed) == (False, True)
    for part in ("train", "validation", "test"):
        raw = np.asarray(getattr(streamed, part).x)
        np.testing.assert_allclose(
            streamed.scaling.apply(raw), getattr(held, part).x, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_array_equal(getattr(held, part).y, getattr(streamed, part).y)
    assert held.row_encoding == streamed.row_encoding


def test_a_large_file_tells_how_far_it_is(table: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phase is a sign of progress, without which the worker takes a trainer to hang."""
    monkeypatch.setattr("worker.engine.data.sources.stored.tables.chunk_rows", lambda _: 7)
    phases: list[str] = []
    spec = table.spec(target="kind", encodings={"review": "multi_hot"})
    prepare_data(resolve(spec), file=table.file, phase=phases.append)
    assert phases == [
        "fitting the encodings",
        *(f"preparing the data, {tenth}0 %" for tenth in (1, 2, 3, 4, 5, 7, 8, 9)),
    ]
