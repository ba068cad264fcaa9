"""A file that is divided already is trained, validated and tested by its own parts."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from ridgeline.api.job import EndCode
from ridgeline.planning.resolve import resolve
from tests.unit.worker.engine.data.stored.files import npz_file
from worker.engine.context import InMemoryContext, TrainingFailed
from worker.engine.data import prepare_data
from worker.engine.data.part import MappedRows
from worker.engine.train import train

RANDOM = np.random.default_rng(23)
ROWS = {"train": 120, "val": 30, "test": 50}
Arrays = dict[str, npt.NDArray[Any]]


def drawn(rows: int, shift: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Images of two kinds, 3 and 7; each part lies elsewhere, so that none is taken for another."""
    labels = RANDOM.choice([3, 7], rows).astype(np.uint8)
    x = RANDOM.normal(shift + 60 * (labels == 7), 30, (6, 5, rows)).T
    return x.clip(0, 255).astype(np.uint8), labels


def divided(*parts: str) -> Arrays:
    arrays: Arrays = {}
    for shift, part in enumerate(parts):
        arrays[f"x_{part}"], arrays[f"y_{part}"] = drawn(ROWS[part], 40.0 * shift + 60)
    return arrays


WHOLE = divided("train", "val", "test")
TESTED = {name: array for name, array in WHOLE.items() if "val" not in name}
SPEC: dict[str, Any] = {
    "model": {
        "layers": [{"type": "Flatten"}, {"type": "Dense", "units": 2, "activation": "softmax"}]
    },
    "training": {
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "epochs": 3,
        "seed": 4,
    },
    "split": {},
}


def same_rows(x: Any, expected: npt.NDArray[Any]) -> None:
    np.testing.assert_array_equal(np.asarray(x), expected)


@pytest.mark.parametrize("loading", ["memory", "stream"])
def test_every_part_is_the_files_own(loading: str, tmp_path: Path) -> None:
    upload = npz_file(tmp_path, **WHOLE)
    data = upload.data(tmp_path / "scratch", split={}, loading=loading)
    assert isinstance(data.test.x, MappedRows) == (loading == "stream")
    for part, name in (("validation", "val"), ("test", "test")):
        held_out = getattr(data, part)
        same_rows(held_out.x, WHOLE[f"x_{name}"])
        same_rows(held_out.y, np.eye(2)[(WHOLE[f"y_{name}"] == 7).astype(int)])
    assert sorted(data.indices["train"]) == list(range(ROWS["train"]))
    same_rows(data.train.x, WHOLE["x_train"][data.indices["train"]])
    assert list(data.indices) == ["train", "validation", "test"]


@pytest.mark.parametrize("loading", ["memory", "stream"])
@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_scaling_is_fitted_on_the_training_rows_alone(
    scaling: str, loading: str, tmp_path: Path
) -> None:
    arrays = {
        name: array.reshape(len(array), -1)[:, :4].astype(np.float64) if "x" in name else array
        for name, array in TESTED.items()
    }
    upload = npz_file(tmp_path, **arrays)
    data = upload.data(tmp_path / "scratch", split={}, scaling=scaling, loading=loading)
    rows = arrays["x_train"][data.indices["train"]]
    assert len(rows) == 96
    center = rows.min(axis=0) if scaling == "minmax" else rows.mean(axis=0)
    np.testing.assert_allclose(data.scaling.mean, center, rtol=1e-5)
    test = np.asarray(data.test.x)
    scaled = test if data.scaled else data.scaling.apply(test)
    expected = data.scaling.apply(arrays["x_test"].astype(np.float32))
    np.testing.assert_allclose(scaled, expected, rtol=1e-5)


@pytest.mark.parametrize("loading", ["memory", "stream"])
def test_metrics_are_those_of_the_files_rows(loading: str, tmp_path: Path) -> None:
    """As plain Keras measures the saved model on the arrays that were uploaded."""
    upload, folder = npz_file(tmp_path, **WHOLE), tmp_path / "work"
    folder.mkdir()
    context = InMemoryContext(folder, dataset_file=upload.file)
    result = train(upload.spec(**SPEC, loading=loading), context)
    model = keras.models.load_model(folder / "model.keras")
    for name, metrics, prefix in (
        ("test", result.metrics, "test"),
        ("val", context.rows[-1].values, "val"),
    ):
        x, truth = WHOLE[f"x_{name}"], (WHOLE[f"y_{name}"] == 7).astype(int)
        predicted = model.predict(x.astype(np.float32), verbose=0)
        accuracy = np.mean(predicted.argmax(1) == truth)
        loss = -np.mean(np.log(predicted[np.arange(len(x)), truth]))
        assert metrics[f"{prefix}_accuracy"] == pytest.approx(accuracy)
        assert metrics[f"{prefix}_data_loss"] == pytest.approx(loss, rel=1e-4)
    features = json.loads((folder / "features.json").read_text(encoding="utf-8"))
    assert (features["array"], features["shape"]) == ("x", [5, 6])
    assert features["target"] == {"name": "y", "task": "classification", "classes": ["3", "7"]}
    with np.load(folder / "split.npz") as split:
        assert {name: len(split[name]) for name in split.files} == {
            "train": 120,
            "validation": 30,
            "test": 50,
        }


def test_other_arrays_of_the_file(tmp_path: Path) -> None:
    more = {"price_train": RANDOM.normal(size=120), "price_test": RANDOM.normal(size=50)}
    upload = npz_file(tmp_path, **TESTED, **more)
    data = upload.data(split={}, units=1, target="price", features=["x"])
    np.testing.assert_allclose(np.ravel(data.test.y), more["price_test"], rtol=1e-6)
    assert data.row_encoding is not None
    assert data.row_encoding.target.name == "price"


def test_a_file_that_was_stored_as_one_part(tmp_path: Path) -> None:
    """As it was before parts were known: arrays of as many rows, any of which may be the target."""
    upload = npz_file(tmp_path, **WHOLE | {"x_test": WHOLE["x_train"], "y_test": WHOLE["y_train"]})
    members = [
        each.model_copy(update={"part": None, "stem": None})
        for each in upload.stored.arrays or ()
        if each.part != "validation"
    ]
    before = {"arrays": tuple(members), "rows": 120, "split": None}
    old = upload._replace(stored=upload.stored.model_copy(update=before))
    data = old.data(split={"test": 0.25}, target="y_train", features=["x_train"])
    assert (data.train.rows, data.validation.rows, data.test.rows) == (66, 24, 30)


def test_every_part_of_a_large_file_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engine.data.sources.stored.arrays.chunk_rows", lambda _: 20)
    upload = npz_file(tmp_path, **TESTED)
    told: list[str] = []
    prepare_data(resolve(upload.spec(**SPEC)), file=upload.file, phase=told.append)
    assert [phase for phase in told if "test" in phase] == [
        "preparing the test rows, 40 %",
        "preparing the test rows, 80 %",
    ]
    assert "preparing the data, 50 %" in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": np.where(np.arange(50), 3, 5).astype(np.uint8)}, "values that it did not have"),
        ({"x_test": WHOLE["x_test"][::-1].reshape(50, 6, 5)}, "'x_test' has another shape"),
        ({"x_train": WHOLE["x_train"].astype(np.int8)}, "'x_train' has another shape"),
    ],
)
def test_a_file_that_has_changed(
    changes: dict[str, npt.NDArray[Any]], words: str, tmp_path: Path
) -> None:
    upload = npz_file(tmp_path, **TESTED)
    resolution = resolve(upload.spec(**SPEC))
    np.savez(upload.file, **(TESTED | changes))  # type: ignore[arg-type]
    assert upload.file.stat().st_size == upload.stored.bytes
    with pytest.raises(TrainingFailed) as caught:
        prepare_data(resolution, file=upload.file)
    assert caught.value.code is EndCode.DATA_UNAVAILABLE
    assert words in caught.value.detail
