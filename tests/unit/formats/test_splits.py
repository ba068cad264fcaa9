"""NPZ files that come with a split: how they are described and when they are rejected."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ridgeline.formats import InspectionLimits, inspect_dataset
from ridgeline.spec.dataset.contents import OwnSplit
from tests.unit.formats.refusals import refusal, refusals

Array = npt.NDArray[Any]
Write = Callable[..., Path]

IMAGES = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)
MNIST = {
    "x_test": IMAGES[:2],
    "x_train": IMAGES,
    "y_train": LABELS,
    "y_test": LABELS[:2],
}
"""In the order of Keras's mnist.npz."""


@pytest.fixture
def npz(tmp_path: Path) -> Write:
    def write(**arrays: Array) -> Path:
        path = tmp_path / "arrays.npz"
        np.savez_compressed(path, allow_pickle=True, **arrays)
        return path

    return write


class TestReading:
    def test_mnist_layout_is_recognized_as_a_split(self, npz: Write) -> None:
        contents = inspect_dataset(npz(**MNIST))
        assert contents.rows == 8
        assert contents.split == OwnSplit(train=6, validation=0, test=2)
        members = {member.name: member for member in contents.arrays or ()}
        assert list(members) == list(MNIST)
        assert [(member.stem, member.part) for member in members.values()] == [
            ("x", "test"),
            ("x", "train"),
            ("y", "train"),
            ("y", "test"),
        ]
        assert members["x_train"].shape == (6, 4, 4)
        balance = {
            name: {count.value: count.rows for count in members[name].values or ()}
            for name in ("y_train", "y_test")
        }
        assert balance == {"y_train": {"0": 2, "1": 2, "2": 2}, "y_test": {"0": 1, "1": 1}}

    @pytest.mark.parametrize("word", ["val", "valid", "validation"])
    @pytest.mark.parametrize("spelling", ["{stem}_{part}", "{part}_{stem}"])
    def test_every_spelling_of_the_part_names_is_recognized(
        self, npz: Write, word: str, spelling: str
    ) -> None:
        """MedMNIST has train_images, train_labels, val_images and so on."""
        rows = {"train": 6, word: 3, "test": 2}
        arrays = {
            spelling.format(stem=stem, part=part): array[:count]
            for part, count in rows.items()
            for stem, array in (("images", IMAGES), ("labels", LABELS.reshape(-1, 1)))
        }
        contents = inspect_dataset(npz(**arrays))
        assert contents.split == OwnSplit(train=6, validation=3, test=2)
        stems = {member.name: member.stem for member in contents.arrays or ()}
        assert stems == {name: "images" if "images" in name else "labels" for name in arrays}

    def test_validation_part_without_a_test_part_is_accepted(self, npz: Write) -> None:
        path = npz(x_train=IMAGES, y_train=LABELS, x_val=IMAGES[:1], y_val=LABELS[:1])
        assert inspect_dataset(path).split == OwnSplit(train=6, validation=1, test=0)

    def test_several_targets_are_accepted(self, npz: Write) -> None:
        path = npz(**MNIST, coarse_train=LABELS // 2, coarse_test=LABELS[:2] // 2)
        assert inspect_dataset(path).split == OwnSplit(train=6, validation=0, test=2)

    @pytest.mark.parametrize(
        "names", [("x", "y"), ("x_train", "y_train"), ("x", "is_test"), ("x_test", "y_test")]
    )
    def test_arrays_without_all_part_names_are_not_a_split(
        self, npz: Write, names: tuple[str, str]
    ) -> None:
        contents = inspect_dataset(npz(**dict(zip(names, (IMAGES, LABELS), strict=True))))
        assert (contents.rows, contents.split) == (6, None)
        parts = [(member.part, member.stem) for member in contents.arrays or ()]
        assert parts == [(None, None)] * 2


def broken(**changes: Array | None) -> dict[str, Array]:
    return {name: array for name, array in (MNIST | changes).items() if array is not None}


REJECTED: dict[str, tuple[dict[str, Array], str, str, str]] = {
    "no targets of the test rows": (
        broken(y_test=None),
        "split-arrays",
        "/arrays/y_test",
        "without the test rows of y",
    ),
    "no features of the validation rows": (
        broken(y_val=LABELS[:1]),
        "split-arrays",
        "/arrays/x_val",
        "without the validation rows of x",
    ),
    "no targets at all": (
        broken(y_train=None, y_test=None),
        "split-arrays",
        "/arrays/y_train",
        "y_test=y_test",
    ),
    "an array of no part": (
        broken(classes=np.arange(3)),
        "split-names",
        "/arrays/classes",
        "x_train, y_train, x_test, y_test",
    ),
    "a part twice": (
        broken(x_val=IMAGES, x_valid=IMAGES, y_val=LABELS),
        "split-names",
        "/arrays/x_val",
        "and x_valid are both",
    ),
    "rows of another shape": (
        broken(x_test=IMAGES[:2, :3]),
        "split-shapes",
        "/arrays/x_test",
        "(3, 4), one of x_train (4, 4)",
    ),
    "a vector and a column": (
        broken(y_test=LABELS[:2].reshape(2, 1)),
        "split-shapes",
        "/arrays/y_test",
        "reshape",
    ),
    "numbers of another type": (
        broken(x_test=IMAGES[:2].astype(np.float32)),
        "split-types",
        "/arrays/x_test",
        ".astype('uint8')",
    ),
    "no test rows": (
        broken(x_test=IMAGES[:0], y_test=LABELS[:0]),
        "no-rows",
        "/arrays/x_test",
        "0×4×4",
    ),
    "objects in the test rows": (
        broken(y_test=np.array([None, 1], dtype=object)),
        "pickle",
        "/arrays/y_test",
        "never loaded",
    ),
    "a test row that is not finite": (
        broken(
            x_train=IMAGES.astype(np.float32),
            x_test=np.full((2, 4, 4), np.nan, np.float32),
        ),
        "not-finite",
        "/arrays/x_test",
        "NaN",
    ),
}


@pytest.mark.parametrize(("arrays", "rule", "at", "words"), REJECTED.values(), ids=REJECTED)
def test_inconsistent_split_is_rejected(
    npz: Write, arrays: dict[str, Array], rule: str, at: str, words: str
) -> None:
    fault = refusal(npz(**arrays))
    assert (fault.rule, fault.pointer) == (rule, at), fault.detail
    assert words in fault.detail


def test_different_row_counts_within_a_part_are_rejected(npz: Write) -> None:
    faults = refusals(npz(**broken(y_test=LABELS[:3])))
    assert [(fault.rule, fault.pointer) for fault in faults] == [
        ("rows-differ", "/arrays/x_test"),
        ("rows-differ", "/arrays/y_test"),
    ]
    assert "test part" in faults[0].detail


def test_error_for_misspelled_part_names_lists_the_right_ones(npz: Write) -> None:
    faults = refusals(npz(xTrain=IMAGES, yTrain=LABELS, xTest=IMAGES[:2], yTest=LABELS[:2]))
    assert {fault.rule for fault in faults} == {"rows-differ"}
    assert "x_train, y_train, x_test, y_test" in faults[0].detail


def test_long_names_keep_the_error_short(npz: Write) -> None:
    """refusals() checks the length."""
    long = "x" * 190
    refusal(npz(**{f"{long}_train": IMAGES, f"{long}_test": IMAGES, "y_train": LABELS}))
    parts = {f"{long}_{part}": IMAGES for part in ("train", "val", "valid")}
    refusal(npz(**parts, y_train=LABELS, y_val=LABELS))


def test_row_limit_counts_the_rows_of_all_parts(npz: Write) -> None:
    path = npz(**MNIST)
    assert refusal(path, limits=InspectionLimits(rows=7)).rule == "too-many-rows"
    assert inspect_dataset(path, limits=InspectionLimits(rows=8)).rows == 8


def test_headers_are_compared_before_any_data_is_read(tmp_path: Path) -> None:
    """The damaged numbers are reached only if the headers agree."""
    path, many = tmp_path / "arrays.npz", np.zeros((6, 100, 100), np.uint8)
    for test_rows, rule in ((many[:2, :9], "split-shapes"), (many[:2], "damaged")):
        np.savez(path, **(MNIST | {"x_train": many, "x_test": test_rows}))  # type: ignore[arg-type]
        with zipfile.ZipFile(path) as archive:
            start = archive.getinfo("x_train.npy").header_offset
        content = bytearray(path.read_bytes())
        content[start + many.nbytes] ^= 1
        path.write_bytes(content)
        assert refusal(path).rule == rule
