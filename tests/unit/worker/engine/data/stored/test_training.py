"""From an uploaded file to a saved model that takes what `features.json` says."""

import csv
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from ridgeline.api.features import RowEncoding
from tests.unit.worker.engine.data.stored.files import (
    Upload,
    csv_file,
    image_file,
)
from tests.unit.worker.engine.data.stored.plain_encoder import encode
from worker.engine.context import InMemoryContext, TrainingStopped
from worker.engine.train import train

ROWS = 200
RANDOM = np.random.default_rng(11)
KINDS = RANDOM.choice(["calm", "wild"], ROWS)
SIGNS = np.where(KINDS == "wild", 1.0, -1.0)


def of_kind(calm: list[str], wild: list[str]) -> list[str]:
    return [RANDOM.choice(wild if kind == "wild" else calm) for kind in KINDS]


def with_gaps(values: Any) -> list[Any]:
    return [None if RANDOM.random() < 0.1 else value for value in values]


TABLE: dict[str, Any] = {
    "weight": with_gaps((SIGNS + RANDOM.normal(70, 2, ROWS)).round(2)),
    "height": (SIGNS * 3 + RANDOM.normal(0, 3, ROWS)).round(3),
    "legs": with_gaps(RANDOM.integers(0, 5, ROWS)),
    "tame": RANDOM.choice(["true", "False"], ROWS),
    "home": with_gaps(of_kind(["farm", 'the "old" house'], ["wood", "farm", "sea, deep"])),
    "size": RANDOM.choice(["small", "medium", "large"], ROWS),
    "notes": with_gaps(
        [
            f"{first} {second}!\tNo. {RANDOM.integers(9)}"
            for first, second in zip(
                of_kind(["Sleeps,", "eats"], ["Bites,", "hunts"]),
                of_kind(["it PURRS", "über-calm"], ["it hunts", "it hunts; it BITES"]),
                strict=True,
            )
        ]
    ),
    "kind": KINDS,
}
ENCODINGS: dict[str, Any] = {
    "weight": {"type": "number", "missing": "mean"},
    "legs": {"type": "number", "missing": "zero"},
    "size": {"type": "ordinal", "categories": ["small", "medium", "large"]},
    "notes": {"type": "multi_hot", "num_words": 12},
}
BINARY: dict[str, Any] = {
    "model": {"layers": [{"type": "Dense", "units": 1, "activation": "sigmoid"}]},
    "training": {"loss": "binary_crossentropy", "metrics": ["accuracy"], "epochs": 4, "seed": 5},
}


def trained(upload: Upload, folder: Path, **sections: Any) -> tuple[dict[str, Any], Any]:
    """Train; the metrics, and what `features.json` says."""
    folder.mkdir(parents=True, exist_ok=True)
    result = train(upload.spec(**sections), InMemoryContext(folder, dataset_file=upload.file))
    assert "features.json" in {file.name for file in result.files}
    text = (folder / "features.json").read_text(encoding="utf-8")
    assert RowEncoding.model_validate_json(text).sha256 == upload.stored.sha256
    return result.metrics, json.loads(text)


def predictions(folder: Path, rows: npt.ArrayLike) -> npt.NDArray[Any]:
    model = keras.models.load_model(folder / "model.keras")
    return np.asarray(model.predict(np.asarray(rows, np.float32), verbose=0))


def held_out_rows(folder: Path) -> npt.NDArray[Any]:
    with np.load(folder / "split.npz") as split:
        return np.asarray(split["test"])


@pytest.mark.parametrize("loading", ["memory", "stream"])
def test_raw_rows_encoded_by_hand_are_predicted_as_the_report_says(
    loading: str, tmp_path: Path
) -> None:
    upload = csv_file(tmp_path, TABLE)
    metrics, features = trained(
        upload, tmp_path / "work", target="kind", encodings=ENCODINGS, loading=loading, **BINARY
    )
    with upload.file.open(newline="", encoding="utf-8") as file:
        raw = list(csv.DictReader(file))
    held_out = [raw[row] for row in held_out_rows(tmp_path / "work")]
    assert len(held_out) == 40
    encoded = [encode(row, features) for row in held_out]
    ours = RowEncoding.model_validate_json(json.dumps(features))
    assert [ours.encode(row) for row in raw] == [encode(row, features) for row in raw]
    probability = predictions(tmp_path / "work", encoded)[:, 0]
    classes = features["target"]["classes"]
    truth = np.array([classes.index(row["kind"]) for row in held_out])
    assert classes == ["calm", "wild"]
    assert metrics["test_accuracy"] == pytest.approx(np.mean((probability > 0.5) == truth))
    loss = -np.mean(np.log(np.where(truth, probability, 1 - probability)))
    assert metrics["test_data_loss"] == pytest.approx(loss, rel=1e-5)


def test_texts_as_sequences(tmp_path: Path) -> None:
    upload = csv_file(tmp_path, {"notes": TABLE["notes"], "kind": KINDS})
    layers = [
        {"type": "Embedding", "input_dim": 30, "output_dim": 4},
        {"type": "Flatten"},
        {"type": "Dense", "units": 2, "activation": "softmax"},
    ]
    metrics, features = trained(
        upload,
        tmp_path / "work",
        target="kind",
        encodings={"notes": {"type": "sequence", "num_words": 30, "maxlen": 6}},
        model={"layers": layers},
        training={
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "epochs": 2,
        },
    )
    rows = held_out_rows(tmp_path / "work")
    encoded = [encode({"notes": TABLE["notes"][row] or ""}, features) for row in rows]
    ours = RowEncoding.model_validate_json(json.dumps(features))
    assert [ours.encode({"notes": TABLE["notes"][row]}) for row in rows] == encoded
    probabilities = predictions(tmp_path / "work", encoded)
    truth = (KINDS[rows] == "wild").astype(int)
    assert metrics["test_accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == truth))
    loss = -np.mean(np.log(probabilities[np.arange(len(rows)), truth]))
    assert metrics["test_data_loss"] == pytest.approx(loss, rel=1e-4)


def test_a_regression(tmp_path: Path) -> None:
    height = (SIGNS + RANDOM.normal(size=ROWS)).round(3)
    upload = csv_file(tmp_path, {"kind": KINDS, "size": TABLE["size"], "height": height})
    metrics, features = trained(
        upload,
        tmp_path / "work",
        target="height",
        model={"layers": [{"type": "Dense", "units": 1}]},
        training={"loss": "mean_squared_error", "metrics": ["mean_absolute_error"], "epochs": 2},
    )
    rows = held_out_rows(tmp_path / "work")
    encoded = [encode({"kind": KINDS[row], "size": TABLE["size"][row]}, features) for row in rows]
    errors = np.abs(predictions(tmp_path / "work", encoded)[:, 0] - height[rows])
    assert metrics["test_mean_absolute_error"] == pytest.approx(errors.mean(), rel=1e-5)
    assert features["target"] == {"name": "height", "task": "regression"}


def test_images(tmp_path: Path) -> None:
    images = {
        f"{kind}/{row:03}.png": RANDOM.integers(
            0, 128 if kind == "calm" else 256, (6, 5, 3)
        ).astype(np.uint8)
        for row, kind in enumerate(KINDS)
    }
    layers = [
        {"type": "Conv2D", "filters": 3, "kernel_size": 3, "activation": "relu"},
        {"type": "Flatten"},
        {"type": "Dense", "units": 1, "activation": "sigmoid"},
    ]
    metrics, features = trained(
        image_file(tmp_path, images),
        tmp_path / "work",
        **{**BINARY, "model": {"layers": layers}},
    )
    assert features["image"] == {"height": 6, "width": 5, "channels": 3}
    assert features["target"]["classes"] == ["calm", "wild"]
    names = sorted(images)
    rows = held_out_rows(tmp_path / "work")
    probability = predictions(tmp_path / "work", [images[names[row]] for row in rows])[:, 0]
    truth = np.array([names[row].startswith("wild") for row in rows])
    assert metrics["test_accuracy"] == pytest.approx(np.mean((probability > 0.5) == truth))


def test_a_resumed_training_encodes_as_before(tmp_path: Path) -> None:
    """The vocabulary and the means are learned again, of the same rows."""
    upload = csv_file(tmp_path, TABLE)
    spec = upload.spec(
        target="kind",
        encodings=ENCODINGS,
        model={"layers": [{"type": "Dropout", "rate": 0.3}, *BINARY["model"]["layers"]]},
        training=BINARY["training"],
    )

    def context(name: str, **more: Any) -> InMemoryContext:
        (tmp_path / name).mkdir()
        return InMemoryContext(tmp_path / name, dataset_file=upload.file, **more)

    train(spec, context("whole"))
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(TrainingStopped):
        train(spec, context("stopped", stop_after=2, checkpoints=tmp_path / "checkpoints"))
    resumed = context("resumed", checkpoints=tmp_path / "checkpoints")
    train(spec, resumed)
    assert [row.epoch for row in resumed.rows] == [1, 2, 3, 4]
    whole, again = (
        keras.models.load_model(tmp_path / name / "model.keras") for name in ("whole", "resumed")
    )
    for mine, theirs in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    texts = [(tmp_path / name / "features.json").read_bytes() for name in ("whole", "resumed")]
    assert texts[0] == texts[1]
