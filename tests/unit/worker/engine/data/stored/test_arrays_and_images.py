"""Arrays and images become the rows that NumPy, Pillow and Keras make of them."""

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.unit.worker.engine.data.stored.files import (
    Upload,
    all_rows,
    all_targets,
    image_file,
    npy_file,
    npz_file,
)

RANDOM = np.random.default_rng(7)
ROWS = 40
LABELS = np.tile([7, 3], ROWS // 2)


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (RANDOM.normal(size=(ROWS, 5)), np.float32),
        (RANDOM.normal(size=(ROWS, 4, 3)).astype(np.float16), np.float32),
        (RANDOM.integers(-9, 9, (ROWS, 5)), np.float32),
        (RANDOM.integers(0, 256, (ROWS, 6, 5, 3)).astype(np.uint8), np.uint8),
        (RANDOM.random((ROWS, 5)) < 0.5, np.uint8),
        (np.asfortranarray(RANDOM.normal(size=(ROWS, 5))), np.float32),
        (RANDOM.normal(size=(ROWS, 5)).astype(">f8"), np.float32),
    ],
)
def test_arrays(x: npt.NDArray[Any], dtype: Any, tmp_path: Path) -> None:
    upload = npz_file(tmp_path, x=x, y=LABELS)
    held = upload.data(scaling="none")
    assert held.train.x.dtype == dtype
    np.testing.assert_array_equal(all_rows(held), x.astype(dtype))
    np.testing.assert_array_equal(all_targets(held), np.eye(2)[np.tile([1, 0], ROWS // 2)])
    streamed = upload.data(tmp_path / "scratch", scaling="none", loading="stream")
    np.testing.assert_array_equal(all_rows(streamed), x.astype(dtype))
    assert held.row_encoding == streamed.row_encoding
    assert held.row_encoding is not None
    assert held.row_encoding.target.classes == ("3", "7")
    assert (held.row_encoding.array, held.row_encoding.dtype) == ("x", np.dtype(dtype).name)


def test_a_vector_of_features_has_one_column(tmp_path: Path) -> None:
    x = RANDOM.normal(size=ROWS)
    data = npy_file(tmp_path, x, LABELS.reshape(-1, 1)).data(scaling="none")
    np.testing.assert_array_equal(all_rows(data), x.astype(np.float32)[:, np.newaxis])
    assert all_targets(data).shape == (ROWS, 2)


def test_a_real_target_and_names(tmp_path: Path) -> None:
    prices = RANDOM.normal(size=(ROWS, 1))
    upload = npz_file(
        tmp_path, a=RANDOM.normal(size=(ROWS, 2)), b=np.zeros((ROWS, 3)), price=prices
    )
    data = upload.data(units=1, target="price", features=["a"])
    np.testing.assert_array_equal(all_targets(data), prices.astype(np.float32))
    assert data.train.x.shape[1:] == (2,)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint64, np.int8])
def test_classes_of_any_whole_numbers(dtype: Any, tmp_path: Path) -> None:
    labels = np.arange(ROWS) % 2
    values = np.array([0, 1 if dtype is np.bool_ else np.iinfo(dtype).max], dtype)[labels]
    data = npz_file(tmp_path, x=np.zeros((ROWS, 2)), y=values).data()
    np.testing.assert_array_equal(all_targets(data), np.eye(2)[labels])


def test_whole_numbers_are_for_an_embedding(tmp_path: Path) -> None:
    x = RANDOM.integers(0, 30, (ROWS, 6))
    upload = npz_file(tmp_path, x=x, y=LABELS)
    layers = [
        {"type": "Embedding", "input_dim": 30, "output_dim": 2},
        {"type": "Flatten"},
        {"type": "Dense", "units": 2},
    ]
    data = upload.data(scaling="none", model={"layers": layers})
    np.testing.assert_array_equal(all_rows(data), x)


# Images ------------------------------------------------------------------------------------------


def pictures(shape: tuple[int, ...]) -> dict[str, npt.NDArray[np.uint8]]:
    return {
        f"{kind}/{number:02}.png": RANDOM.integers(0, 256, shape).astype(np.uint8)
        for kind in ("dogs", "cats")
        for number in range(10)
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_those_of_keras(channels: int, tmp_path: Path) -> None:
    upload = image_file(tmp_path, pictures((8, 9, channels)))
    with zipfile.ZipFile(upload.file) as archive:
        archive.extractall(tmp_path / "folder")
    keras_set = keras.utils.image_dataset_from_directory(
        tmp_path / "folder",
        image_size=(8, 9),
        color_mode="rgb" if channels == 3 else "grayscale",
        shuffle=False,
        verbose=False,
    )
    ((x, y),) = [(images.numpy(), labels.numpy()) for images, labels in keras_set]
    data = upload.data()
    np.testing.assert_array_equal(all_rows(data), x)
    np.testing.assert_array_equal(all_targets(data), np.eye(2)[y])
    assert data.train.x.dtype == np.uint8
    assert data.row_encoding is not None
    assert data.row_encoding.target.classes == tuple(keras_set.class_names) == ("cats", "dogs")


def test_images_are_resized_as_pillow_does(tmp_path: Path) -> None:
    found = pictures((20, 30, 3))
    upload = image_file(tmp_path, found)
    data = upload.data(image={"height": 8, "width": 6, "channels": 1}, scaling="none")
    expected = [
        np.asarray(
            Image.fromarray(found[name]).convert("L").resize((6, 8), Image.Resampling.BILINEAR)
        )
        for name in sorted(found)
    ]
    np.testing.assert_array_equal(all_rows(data)[..., 0], expected)
    assert data.row_encoding is not None
    assert data.row_encoding.image is not None
    assert data.row_encoding.image.model_dump() == {"height": 8, "width": 6, "channels": 1}


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_images_are_scaled_by_the_epoch(scaling: str, tmp_path: Path) -> None:
    upload: Upload = image_file(tmp_path, pictures((8, 9, 3)))
    data = upload.data(scaling=scaling)
    assert not data.scaled
    train = np.asarray(data.train.x)
    if scaling == "unit":
        np.testing.assert_allclose(data.scaling.apply(train), train / 255, rtol=1e-6)
    else:
        np.testing.assert_allclose(data.scaling.mean, train.mean(axis=(0, 1, 2)), rtol=1e-5)


def test_images_that_stream_are_those_that_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engine.data.sources.stored.images.chunk_rows", lambda _: 3)
    upload = image_file(tmp_path, pictures((8, 9, 3)))
    held, streamed = upload.data(), upload.data(tmp_path / "scratch", loading="stream")
    np.testing.assert_array_equal(all_rows(held), all_rows(streamed))
