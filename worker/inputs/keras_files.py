"""The files that keras.datasets caches, with their digests (keras/src/datasets, Keras 3.15)."""

import os
from pathlib import Path
from typing import NamedTuple

_GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_TORONTO = "https://www.cs.toronto.edu/~kriz/"


class KerasFile(NamedTuple):
    """A file of a data set."""

    path: str
    """Its path in Keras's folder `datasets`."""
    url: str
    sha256: str | None
    """None where Keras has none; the file's own structure and checksums are verified instead."""


def _google(name: str, sha256: str) -> dict[str, KerasFile]:
    return {name: KerasFile(name, _GOOGLE + name, sha256)}


def _toronto(name: str, target: str, sha256: str) -> dict[str, KerasFile]:
    """An archive, which Keras caches under another name."""
    return {name: KerasFile(target, _TORONTO + name, sha256)}


def _fashion(name: str) -> dict[str, KerasFile]:
    return {name: KerasFile(f"fashion-mnist/{name}", _GOOGLE + name, None)}


KERAS_FILES: dict[str, KerasFile] = {
    **_google("mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),
    **_google("imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"),
    **_google("reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"),
    **_google(
        "california_housing.npz",
        "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
    ),
    **_toronto(
        "cifar-10-python.tar.gz",
        "cifar-10-batches-py-target_archive",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    **_toronto(
        "cifar-100-python.tar.gz",
        "cifar-100-python-target_archive",
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
    **_fashion("train-labels-idx1-ubyte.gz"),
    **_fashion("train-images-idx3-ubyte.gz"),
    **_fashion("t10k-labels-idx1-ubyte.gz"),
    **_fashion("t10k-images-idx3-ubyte.gz"),
}
"""By their original names."""

DATASET_FILES: dict[str, tuple[str, ...]] = {
    **{name: (f"{name}.npz",) for name in ("mnist", "imdb", "reuters", "california_housing")},
    "cifar10": ("cifar-10-python.tar.gz",),
    "cifar100": ("cifar-100-python.tar.gz",),
    "fashion_mnist": tuple(name for name in KERAS_FILES if name.endswith("-ubyte.gz")),
}
"""The files of each data set of a spec."""


def keras_folder() -> Path:
    """`$KERAS_HOME/datasets`, else `~/.keras/datasets`, where keras.utils.get_file looks."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".keras") / "datasets"
