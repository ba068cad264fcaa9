"""Rows from Keras's files are those that keras.datasets gives."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from keras.src.datasets import cifar

from ridgeline.api.job import EndCode
from tests.unit.worker.engine.data.conftest import keras_dataset
from tests.unit.worker.engine.data.keras_cache import SmallFiles
from worker.engine.context import TrainingFailed
from worker.engine.data.sources import RawRows, SetRows, raw_rows
from worker.inputs.keras_files import KERAS_FILES

Loaded = tuple[tuple[Any, Any], tuple[Any, Any]]
KerasLoads = Callable[..., Loaded]


def features(raw: RawRows) -> npt.NDArray[Any]:
    found = np.full((raw.rows, *raw.shape), 77, raw.dtype)
    for start, chunk in raw.chunks():
        assert chunk.dtype == raw.dtype
        found[start : start + len(chunk)] = chunk
    return found


def rows_of(files: SmallFiles, name: str, **options: Any) -> tuple[RawRows, RawRows]:
    return parted(raw_rows(keras_dataset(name, **options), files.cache))


def parted(rows: SetRows) -> tuple[RawRows, RawRows]:
    """The training rows and the set's own test rows."""
    assert not rows.validation.rows
    return rows.divided, rows.test


@pytest.fixture
def keras_loads(monkeypatch: pytest.MonkeyPatch) -> KerasLoads:
    """What keras.datasets.<name>.load_data returns from a file of ours."""

    def load(name: str, path: Path, **options: Any) -> Loaded:
        def get_file(fname: str, cache_subdir: str = "", **_: Any) -> str:
            return str(path / fname if cache_subdir else path)

        monkeypatch.setattr(f"keras.src.datasets.{name}.get_file", get_file)
        loaded: Loaded = getattr(keras.datasets, name).load_data(**options)
        return loaded

    return load


def same(rows: tuple[RawRows, RawRows], loaded: Loaded) -> None:
    for raw, (x, y) in zip(rows, loaded, strict=True):
        np.testing.assert_array_equal(features(raw), np.reshape(x, (len(x), *raw.shape)))
        np.testing.assert_array_equal(raw.target, np.ravel(y))


def test_mnist(files: SmallFiles, keras_loads: KerasLoads) -> None:
    loaded = keras_loads("mnist", files.mnist())
    rows = rows_of(files, "mnist", rows=60, test_rows=20)
    same(rows, loaded)
    assert rows[0].shape == (28, 28, 1)


needs_filters = pytest.mark.skipif(
    not hasattr(tarfile, "data_filter"), reason="Keras unpacks with filters, of Python 3.11.4"
)


def test_fashion_mnist(files: SmallFiles, keras_loads: KerasLoads) -> None:
    files.fashion_mnist()
    loaded = keras_loads("fashion_mnist", files.folder / "fashion-mnist")
    same(rows_of(files, "fashion_mnist", rows=60, test_rows=20), loaded)


@needs_filters
def test_cifar10(files: SmallFiles, tmp_path: Path) -> None:
    with tarfile.open(files.cifar10(rows=8)) as archive:
        archive.extractall(tmp_path, filter="data")
    names = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
    batches = [cifar.load_batch(tmp_path / "cifar-10-batches-py" / name) for name in names]
    x, y = (np.concatenate([batch[side] for batch in batches]) for side in (0, 1))
    x = x.transpose(0, 2, 3, 1)
    rows = rows_of(files, "cifar10", rows=40, test_rows=8)
    same(rows, ((x[:40], y[:40]), (x[40:], y[40:])))
    assert rows[0].shape == (32, 32, 3)


@needs_filters
@pytest.mark.parametrize("label_mode", ["fine", "coarse"])
def test_cifar100(
    label_mode: str, files: SmallFiles, keras_loads: KerasLoads, tmp_path: Path
) -> None:
    with tarfile.open(files.cifar100()) as archive:
        archive.extractall(tmp_path, filter="data")
    loaded = keras_loads("cifar100", tmp_path, label_mode=label_mode)
    dataset = keras_dataset("cifar100").model_copy(
        update={"label_mode": label_mode, "rows": 40, "test_rows": 10}
    )
    same(parted(raw_rows(dataset, files.cache)), loaded)


@pytest.mark.parametrize(("name", "rows", "test_rows"), [("imdb", 50, 30), ("reuters", 40, 10)])
def test_texts_as_sequences(
    name: str, rows: int, test_rows: int, files: SmallFiles, keras_loads: KerasLoads
) -> None:
    loaded = keras_loads(name, getattr(files, name)(), num_words=40)
    options = {"num_words": 40, "encoding": "sequence", "maxlen": 12}
    found = rows_of(files, name, rows=rows, test_rows=test_rows, **options)
    padded = [(keras.utils.pad_sequences(x, maxlen=12), y) for x, y in loaded]
    same(found, (padded[0], padded[1]))
    assert found[0].dtype == np.int32


@pytest.mark.parametrize(("name", "rows", "test_rows"), [("imdb", 50, 30), ("reuters", 40, 10)])
def test_texts_as_multi_hot(
    name: str,
    rows: int,
    test_rows: int,
    files: SmallFiles,
    keras_loads: KerasLoads,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.engine.data.sources.rows.CHUNK_BYTES", 7 * 40)  # 7 rows
    loaded = keras_loads(name, getattr(files, name)(), num_words=40)
    found = rows_of(files, name, rows=rows, test_rows=test_rows, num_words=40)
    hot = [(np.array([[word in text for word in range(40)] for text in x]), y) for x, y in loaded]
    same(found, (hot[0], hot[1]))
    assert found[0].dtype == np.uint8
    assert len(list(found[0].chunks())) > 5


@pytest.mark.parametrize(
    ("version", "rows", "test_rows"), [("large", 560, 140), ("small", 480, 120)]
)
def test_california_housing(
    version: str, rows: int, test_rows: int, files: SmallFiles, keras_loads: KerasLoads
) -> None:
    (x, y), (x_test, y_test) = keras_loads(
        "california_housing", files.california_housing(700), version=version
    )
    options = {"version": version, "rows": rows, "test_rows": rows // 4}
    found = rows_of(files, "california_housing", **options)
    same(found, ((x.astype(np.float32), y), (x_test.astype(np.float32), y_test)))


def test_a_limit_takes_the_first_rows(files: SmallFiles) -> None:
    files.imdb()
    files.cifar10()
    for name, every in (("imdb", (50, 30)), ("cifar10", (40, 8))):
        whole = rows_of(files, name, rows=every[0], test_rows=every[1])
        some = rows_of(files, name, rows=19, test_rows=0)
        np.testing.assert_array_equal(features(some[0]), features(whole[0])[:19])
        np.testing.assert_array_equal(some[0].target, whole[0].target[:19])
        assert (some[1].rows, features(some[1]).size) == (0, 0)


def test_the_digests_are_those_of_this_keras() -> None:
    """A new Keras with another file must not go unnoticed."""
    folder = Path(keras.src.datasets.__file__).parent
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    for file in KERAS_FILES.values():
        assert file.sha256 is None or f'"{file.sha256}"' in source
        assert Path(file.url).name in source
        assert Path(file.path).name.removesuffix("_archive") in source


# Files that are not what they should be ----------------------------------------------------------


def refusal(files: SmallFiles, name: str, **options: Any) -> str:
    def read() -> None:
        for raw in rows_of(files, name, **options):
            features(raw)

    with pytest.raises(TrainingFailed) as failure:
        read()
    assert failure.value.code is EndCode.DATA_UNAVAILABLE
    return failure.value.detail


def test_too_few_rows(files: SmallFiles) -> None:
    files.mnist(rows=60)
    assert "60 training rows of shape (28, 28, 1), expected 61" in refusal(files, "mnist", rows=61)
    assert "20 test rows" in refusal(files, "mnist", rows=60, test_rows=21)


def test_rows_of_another_shape(files: SmallFiles) -> None:
    path = files.mnist()
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "x_train": arrays["x_train"][:, :27]})
    files.register("mnist.npz")
    assert "(27, 28, 1)" in refusal(files, "mnist", rows=10, test_rows=10)


def test_rows_of_another_type(files: SmallFiles) -> None:
    path = files.mnist()
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "x_train": arrays["x_train"] / 255})
    files.register("mnist.npz")
    assert "rows of float64" in refusal(files, "mnist", rows=60, test_rows=10)


def test_classes_that_are_none(files: SmallFiles) -> None:
    path = files.mnist()
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "y_train": arrays["y_train"] + 1})
    files.register("mnist.npz")
    assert "classes that are not 0 to 9" in refusal(files, "mnist", rows=60, test_rows=10)


@pytest.mark.parametrize("kept", [0, 3, 60, 0.6])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_a_file_without_a_digest_that_is_cut_off(name: str, kept: float, files: SmallFiles) -> None:
    files.fashion_mnist()
    path = files.folder / "fashion-mnist" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    assert "fashion_mnist cannot be read" in refusal(files, "fashion_mnist", rows=60, test_rows=20)


def test_images_in_the_place_of_labels(files: SmallFiles) -> None:
    files.fashion_mnist()
    folder = files.folder / "fashion-mnist"
    (folder / "train-images-idx3-ubyte.gz").replace(folder / "train-labels-idx1-ubyte.gz")
    (folder / "t10k-images-idx3-ubyte.gz").replace(folder / "train-images-idx3-ubyte.gz")
    assert "in 1 dimensions" in refusal(files, "fashion_mnist", rows=10, test_rows=10)


def test_an_archive_without_a_batch(files: SmallFiles) -> None:
    path = files.cifar100()
    with tarfile.open(path, "w:gz"):
        pass
    files.register("cifar-100-python.tar.gz")
    assert "cifar-100-python/test is not in the archive" in refusal(files, "cifar100", rows=10)
