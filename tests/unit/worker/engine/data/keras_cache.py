"""Writes small files as keras.datasets caches them, with digests of their own."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.engine.data.sources.cache import KerasCache
from worker.inputs.keras_files import KERAS_FILES, KerasFile

BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


class SmallFiles:
    """A cache folder that fills itself with files of random rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, KerasFile] = {}
        self._random = np.random.default_rng(5)

    @property
    def cache(self) -> KerasCache:
        """What has been written, as the engine looks at it."""
        return KerasCache(self.folder, self._files)

    def mnist(self, rows: int = 60, test_rows: int = 20) -> Path:
        """mnist.npz."""
        return self._npz(
            "mnist.npz",
            x_train=self._pixels(rows, 28, 28),
            y_train=self._classes(rows, 10),
            x_test=self._pixels(test_rows, 28, 28),
            y_test=self._classes(test_rows, 10),
        )

    def fashion_mnist(self, rows: int = 60, test_rows: int = 20) -> None:
        """Four IDX files."""
        for part, count in (("train", rows), ("t10k", test_rows)):
            self._idx(f"{part}-images-idx3-ubyte.gz", self._pixels(count, 28, 28))
            self._idx(f"{part}-labels-idx1-ubyte.gz", self._classes(count, 10))

    def cifar10(self, rows: int = 8) -> Path:
        """Batches of so many rows each, in an order of their own, as in the real archive."""
        batches = {name: self._batch(rows, labels=10) for name in BATCHES}
        order = ("data_batch_4", "test_batch", "data_batch_3", "data_batch_1", "data_batch_5")
        members = {name: batches[name] for name in (*order, "data_batch_2")}
        return self._archive("cifar-10-python.tar.gz", "cifar-10-batches-py", members)

    def cifar100(self, rows: int = 40, test_rows: int = 10) -> Path:
        """A batch for training and one for testing."""
        members = {
            name: self._batch(count, fine_labels=100, coarse_labels=20)
            for name, count in (("test", test_rows), ("train", rows))
        }
        return self._archive("cifar-100-python.tar.gz", "cifar-100-python", members)

    def imdb(self, rows: int = 50, test_rows: int = 30) -> Path:
        """imdb.npz, with lists of words' ranks."""
        return self._npz(
            "imdb.npz",
            x_train=self._texts(rows),
            y_train=self._classes(rows, 2).astype(np.int64),
            x_test=self._texts(test_rows),
            y_test=self._classes(test_rows, 2).astype(np.int64),
        )

    def reuters(self, rows: int = 50) -> Path:
        """reuters.npz."""
        labels = self._classes(rows, 46).astype(np.int64)
        return self._npz("reuters.npz", x=self._texts(rows), y=labels)

    def california_housing(self, rows: int = 700) -> Path:
        """california_housing.npz."""
        x, y = self._random.normal(size=(rows, 8)), self._random.normal(2e5, 1e4, rows)
        return self._npz("california_housing.npz", x=x, y=y)

    def register(self, name: str, **changes: Any) -> Path:
        """Count the file as it is now as Keras's own."""
        file = KERAS_FILES[name]._replace(url=f"http://unreachable.invalid/{name}", **changes)
        path = self.folder / file.path
        if file.sha256 is not None and "sha256" not in changes:
            file = file._replace(sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        self._files[name] = file
        return path

    def _npz(self, name: str, **arrays: npt.NDArray[Any]) -> Path:
        self._write(name, lambda path: np.savez(path, allow_pickle=True, **arrays))
        return self.register(name)

    def _idx(self, name: str, values: npt.NDArray[np.uint8]) -> None:
        head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        content = gzip.compress(head + values.tobytes())
        self._write(name, lambda path: path.write_bytes(content))
        self.register(name)

    def _archive(self, name: str, folder: str, members: dict[str, bytes]) -> Path:
        def write(path: Path) -> None:
            with tarfile.open(path, "w:gz") as archive:
                for member, content in members.items():
                    info = tarfile.TarInfo(f"{folder}/{member}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))

        self._write(name, write)
        return self.register(name)

    def _write(self, name: str, write: Any) -> None:
        path = self.folder / KERAS_FILES[name].path
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)

    def _batch(self, rows: int, **labels: int) -> bytes:
        """As Python 2 pickled them: names are bytes."""
        batch: dict[bytes, Any] = {b"data": self._pixels(rows, 3072), b"batch_label": b"a batch"}
        for key, classes in labels.items():
            batch[key.encode()] = self._classes(rows, classes).tolist()
        return pickle.dumps(batch, protocol=3)

    def _pixels(self, *shape: int) -> npt.NDArray[np.uint8]:
        return self._random.integers(0, 256, shape, np.uint8)

    def _classes(self, rows: int, classes: int) -> npt.NDArray[np.uint8]:
        return (self._random.permutation(rows) % classes).astype(np.uint8)

    def _texts(self, rows: int) -> npt.NDArray[np.object_]:
        texts = np.empty(rows, object)
        for row in range(rows):
            length = int(self._random.integers(1, 30))
            texts[row] = self._random.integers(1, 60, length).tolist()
        return texts
