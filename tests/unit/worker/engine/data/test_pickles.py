"""Arrays come out of pickles, and nothing else."""

import io
import os
import pickle
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ridgeline.api.job import EndCode
from tests.unit.worker.engine.data.conftest import keras_dataset
from tests.unit.worker.engine.data.keras_cache import SmallFiles
from worker.engine.context import TrainingFailed
from worker.engine.data.sources import raw_rows
from worker.engine.data.sources.pickles import ArrayUnpickler, npz_array, npz_chunks, npz_shape


class Malicious:
    """Would touch a file when it is unpickled."""

    def __init__(self, touched: Path) -> None:
        self._touched = touched

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self._touched}",)


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, object])
def test_arrays(protocol: int, dtype: Any) -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    found = ArrayUnpickler(io.BytesIO(pickle.dumps({"a": array}, protocol))).load()["a"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == dtype


def test_what_python_2_and_numpy_1_wrote() -> None:
    """A CIFAR batch's opcodes: text as bytes, numpy.core in place of numpy._core."""
    pickled = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
        b"q\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01"
        b"\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftb"
        b"U\x06labels]q\x08(K\x06K\x07eu."
    )
    batch = ArrayUnpickler(io.BytesIO(pickled), encoding="bytes").load()
    np.testing.assert_array_equal(batch[b"data"], np.frombuffer(b"abcdef", np.uint8).reshape(2, 3))
    assert batch[b"labels"] == [6, 7]


@pytest.mark.parametrize(
    "value", [os.system, eval, subprocess.Popen, np.load, Path("x"), np.random.default_rng(1)]
)
def test_nothing_else(value: Any) -> None:
    content = io.BytesIO(pickle.dumps([value]))
    with pytest.raises(pickle.UnpicklingError, match="which no array needs"):
        ArrayUnpickler(content).load()


def test_a_malicious_text_is_not_run(files: SmallFiles, tmp_path: Path) -> None:
    path, touched = files.imdb(), tmp_path / "touched"
    arrays = {name: npz_array(path, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    arrays["x_train"][3] = Malicious(touched)
    np.savez(path, allow_pickle=True, **arrays)
    files.register("imdb.npz")
    with pytest.raises(TrainingFailed, match=r"posix\.system") as failure:
        raw_rows(keras_dataset("imdb", rows=10, test_rows=10), files.cache)
    assert failure.value.code is EndCode.DATA_UNAVAILABLE
    assert not touched.exists()


def test_a_malicious_batch_is_not_run(
    files: SmallFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = tmp_path / "touched"
    evil = pickle.dumps({b"data": Malicious(touched), b"labels": [0]}, protocol=3)
    monkeypatch.setattr(files, "_batch", lambda rows, **labels: evil)
    files.cifar10()
    with pytest.raises(TrainingFailed, match="cifar10 cannot be read: it refers to posix"):
        raw_rows(keras_dataset("cifar10", rows=10, test_rows=10), files.cache)
    assert not touched.exists()


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npz_file(order: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.engine.data.sources.rows.CHUNK_BYTES", 3 * 8 * 2)  # 3 rows
    array, path = np.asarray(np.arange(14.0).reshape(7, 2), order=order), tmp_path / "a.npz"
    np.savez(path, a=array)
    np.testing.assert_array_equal(npz_array(path, "a"), array)
    assert npz_shape(path, "a") == (7, 2)
    if order == "F":
        with pytest.raises(ValueError, match="in C order"):
            list(npz_chunks(path, "a"))
        return
    pieces = list(npz_chunks(path, "a"))
    assert [(start, len(piece)) for start, piece in pieces] == [(0, 3), (3, 3), (6, 1)]
    np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), array)


def test_a_member_that_ends_too_early(tmp_path: Path) -> None:
    content, path = io.BytesIO(), tmp_path / "a.npz"
    np.save(content, np.arange(10.0))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", content.getvalue()[:-8])
    with pytest.raises(EOFError):
        list(npz_chunks(path, "a"))
    with pytest.raises(ValueError, match="cannot reshape"):
        npz_array(path, "a")
