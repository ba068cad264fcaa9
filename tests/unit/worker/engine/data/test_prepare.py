"""Split, scaling and encoding, in memory and on disk."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ridgeline.api.job import EndCode
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import Split, SplitRows
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from tests.unit.worker.engine.data.conftest import Resolve, keras_spec
from tests.unit.worker.engine.data.keras_cache import SmallFiles
from worker.engine.context import InMemoryContext, TrainingFailed
from worker.engine.data import Data, prepare_data
from worker.engine.data.part import MappedRows
from worker.engine.data.prepare import encode, split_indices
from worker.engine.data.scaling import fit_scaling
from worker.engine.data.sources import load
from worker.engine.export import Exporting

SMALL = {"rows": 40, "test_rows": 10}
PARTS = ("train", "validation", "test")


@pytest.mark.parametrize("stratify", [True, False])
def test_every_row_is_in_one_part(stratify: bool, make_spec: MakeSpec) -> None:
    spec = make_spec(split={"validation": 0.2, "test": 0.1, "stratify": stratify})
    setup = Setup(spec)
    indices = setup.data.indices
    assert sorted(np.concatenate(list(indices.values()))) == list(range(150))
    assert tuple(map(len, indices.values())) == setup.resolution.rows == (105, 30, 15)
    if stratify:
        _, target = load(spec.dataset)
        for rows in indices.values():
            assert len(set(np.bincount(target[rows]))) == 1


def test_the_seed_decides_the_split(make_spec: MakeSpec) -> None:
    spec = make_spec()
    rows = Setup(spec).resolution.rows
    _, target = load(spec.dataset)
    first, again, other = (split_indices(target, spec.split, rows, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first["train"], again["train"])
    assert not np.array_equal(first["train"], other["train"])


def test_scaling_is_fitted_on_the_training_rows_only(make_spec: MakeSpec) -> None:
    setup = Setup(make_spec())
    features, _ = load(setup.spec.dataset)
    train = features[setup.data.indices["train"]]
    np.testing.assert_allclose(setup.data.scaling.mean, train.mean(axis=0), rtol=1e-5)
    scaled, validation = (np.asarray(part.x) for part in (setup.data.train, setup.data.validation))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-4)
    assert np.abs(validation.mean(axis=0)).max() > 1e-3


def test_minmax_maps_the_training_rows_to_the_unit_interval() -> None:
    rows = np.array([[0.0, 5.0, 7.0], [4.0, 15.0, 7.0]], np.float32)
    scaled = fit_scaling(rows, "minmax").apply(rows)
    np.testing.assert_allclose(scaled, [[0, 0, 0], [1, 1, 0]])


@pytest.mark.parametrize("method", ["standard", "minmax"])
def test_a_constant_column_stays_finite(method: str) -> None:
    rows = np.array([[2.0], [2.0]], np.float32)
    scaling = fit_scaling(rows, method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(scaling.apply(rows), 0)


def test_no_scaling_leaves_rows_as_they_are() -> None:
    rows = np.array([[2.0, -1.0]], np.float32)
    scaling = fit_scaling(rows, "none")
    assert scaling.identity
    np.testing.assert_array_equal(scaling.apply(rows), rows)


def test_encodings() -> None:
    target = np.array([0, 2, 1])
    assert encode(target, "index", 3).dtype == np.int32
    np.testing.assert_array_equal(encode(target, "one_hot", 3), np.eye(3)[[0, 2, 1]])
    np.testing.assert_array_equal(encode(np.array([0, 1]), "binary", 2), [[0], [1]])
    np.testing.assert_array_equal(encode(np.array([0.5]), "value", None), [[0.5]])


def test_a_class_too_small_to_be_split_is_said() -> None:
    target = np.array([0, 0, 0, 0, 1])
    split, rows = Split(validation=0.4, stratify=True), SplitRows(3, 2, 0)
    with pytest.raises(TrainingFailed, match="stratify to false") as failure:
        split_indices(target, split, rows, seed=0)
    assert failure.value.code is EndCode.INVALID_SPEC


# Scaling of images -------------------------------------------------------------------------------

IMAGES = np.random.default_rng(1).integers(0, 256, (50, 6, 5, 3), np.uint8)


def test_unit_divides_by_255() -> None:
    scaled = fit_scaling(IMAGES, "unit").apply(IMAGES)
    np.testing.assert_array_equal(scaled, IMAGES.astype(np.float32) / np.float32(255))


def test_standard_is_per_channel() -> None:
    scaling = fit_scaling(IMAGES, "standard")
    np.testing.assert_allclose(scaling.mean, IMAGES.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(scaling.variance, IMAGES.var(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(scaling.apply(IMAGES).std(axis=(0, 1, 2)), 1, rtol=1e-5)


@pytest.mark.parametrize("method", ["standard", "minmax"])
def test_pieces_are_put_together(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(2).normal(1e4, 1, (103, 4)).astype(np.float32)
    whole = fit_scaling(rows, method)
    monkeypatch.setattr("worker.engine.data.scaling._PIECE", 4 * 10)
    pieces = fit_scaling(MappedRows(rows, np.arange(103)[::-1]), method)
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-7)
    np.testing.assert_allclose(pieces.variance, whole.variance, rtol=1e-6)
    if method == "standard":
        np.testing.assert_allclose(whole.variance, rows.var(axis=0, dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize("scaling", ["unit", "standard", "none"])
def test_a_saved_model_takes_raw_pixels(
    scaling: str, files: SmallFiles, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.cifar10()
    monkeypatch.setenv("KERAS_HOME", str(files.folder.parent))
    monkeypatch.setattr("worker.engine.data.sources.cache.KERAS_FILES", files.cache.files)
    setup = Setup(keras_spec("cifar10", scaling=scaling, rows=40, test_rows=8))
    raw = np.asarray(setup.data.test.x)
    assert raw.dtype == np.uint8
    expected = setup.network.predict(keras.ops.convert_to_tensor(setup.data.scaling.apply(raw)))
    Exporting(
        setup.network, setup.objective, setup.data, ["keras"], InMemoryContext(workdir)
    ).settle()
    predicted = keras.models.load_model(workdir / "model.keras").predict(raw, verbose=0)
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-4)


# Keras's sets, in memory and on disk --------------------------------------------------------------


def both(resolve_keras: Resolve, name: str, files: SmallFiles, **options: Any) -> tuple[Data, Data]:
    made = getattr(files, name)
    made()
    held, streamed = (
        prepare_data(
            resolve_keras(name, loading=loading, **options), files.folder / "scratch", files.cache
        )
        for loading in ("memory", "stream")
    )
    return held, streamed


@pytest.mark.parametrize(
    ("name", "options", "dtype"),
    [
        ("mnist", {}, np.uint8),
        ("fashion_mnist", {"scaling": "standard"}, np.uint8),
        ("cifar10", {"test_rows": 8}, np.uint8),
        ("cifar100", {}, np.uint8),
        ("imdb", {"num_words": 50}, np.uint8),
        ("reuters", {"encoding": "sequence", "maxlen": 7}, np.int32),
    ],
)
def test_what_streams_is_what_is_held(
    name: str, options: dict[str, Any], dtype: Any, files: SmallFiles, resolve_keras: Resolve
) -> None:
    held, streamed = both(resolve_keras, name, files, **{**SMALL, **options})
    assert (held.scaled, streamed.scaled) == (False, False)
    assert held.train.rows == 32
    for part in PARTS:
        one, other = getattr(held, part), getattr(streamed, part)
        assert (one.streamed, other.streamed) == (False, True)
        assert one.x.dtype == other.x.dtype == dtype
        assert one.x.shape == other.x.shape
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.y, other.y)
        np.testing.assert_array_equal(held.indices[part], streamed.indices[part])
    np.testing.assert_allclose(held.scaling.mean, streamed.scaling.mean, rtol=1e-6)
    assert held.indices["test"].tolist() == list(range(held.test.rows))
    assert sorted([*held.indices["train"], *held.indices["validation"]]) == list(range(40))


def test_a_table_that_streams_is_scaled_by_the_epoch(
    files: SmallFiles, resolve_keras: Resolve
) -> None:
    held, streamed = both(resolve_keras, "california_housing", files, rows=400, test_rows=100)
    assert (held.scaled, streamed.scaled) == (True, False)
    for part in PARTS:
        x = streamed.scaling.apply(np.asarray(getattr(streamed, part).x))
        np.testing.assert_allclose(x, getattr(held, part).x, atol=1e-6)
    np.testing.assert_allclose(np.asarray(held.train.x).mean(axis=0), 0, atol=1e-5)


def test_a_built_in_set_streams_too(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(dataset={"name": "iris", "loading": "stream"})
    data = prepare_data(resolve(spec), tmp_path)
    features, _ = load(spec.dataset)
    for part in PARTS:
        np.testing.assert_array_equal(getattr(data, part).x, features[data.indices[part]])


def test_without_test_rows_the_part_is_empty(files: SmallFiles, resolve_keras: Resolve) -> None:
    files.mnist()
    data = prepare_data(resolve_keras("mnist", rows=40, test_rows=0), None, files.cache)
    assert (data.test.rows, data.test.x.shape) == (0, (0, 28, 28, 1))


# Where rows lie ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "streams"), [(130_667, False), (130_666, True)])
def test_auto_streams_what_takes_more_than_three_tenths_of_the_free_memory(
    free: int,
    streams: bool,
    files: SmallFiles,
    resolve_keras: Resolve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """50 rows of 784 bytes: 39,200 of 130,667."""
    files.mnist()
    monkeypatch.setattr("worker.engine.data.prepare.available_memory", lambda: free)
    data = prepare_data(resolve_keras("mnist", **SMALL), tmp_path / "rows", files.cache)
    assert data.train.streamed is data.test.streamed is streams
    assert (tmp_path / "rows").exists() is streams
    assert not prepare_data(resolve_keras("mnist", **SMALL), None, files.cache).train.streamed


def test_streaming_needs_a_folder(make_spec: MakeSpec) -> None:
    with pytest.raises(ValueError, match="scratch folder"):
        prepare_data(resolve(make_spec(dataset={"name": "iris", "loading": "stream"})))
