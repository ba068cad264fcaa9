"""Every preset trains, on small files of the format that Keras caches."""

import json
import math
from pathlib import Path
from typing import Any

import keras
import pytest

from ridgeline.api.catalog import preset_entry
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.presets import PRESETS
from tests.unit.worker.engine.data.keras_cache import SmallFiles
from worker.engine.context import InMemoryContext
from worker.engine.data.sources import cache
from worker.engine.train import train

pytestmark = pytest.mark.slow


@pytest.fixture
def small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallFiles:
    """Files in the folder and with the digests that the engine looks for."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    files = SmallFiles(tmp_path / "datasets")
    monkeypatch.setattr(cache, "KERAS_FILES", files.cache.files)
    return files


def small_job(name: str, rows: int, epochs: int, **parameters: Any) -> JobSpec:
    entry = preset_entry(PRESETS[name], **parameters)
    spec = entry.spec.model_dump(mode="json", exclude_unset=True)
    spec["dataset"] |= {"rows": rows, "test_rows": 4}
    spec["training"] |= {"epochs": epochs, "batch_size": rows // 2}
    return JobSpec.model_validate_json(json.dumps(spec))


@pytest.mark.parametrize("name", ["imdb_mlp", "imdb_mlp_half"])
def test_imdb(name: str, small_files: SmallFiles, workdir: Path) -> None:
    small_files.imdb(rows=40, test_rows=4)
    context = InMemoryContext(workdir)
    result = train(small_job(name, rows=40, epochs=60), context)
    losses: list[Any] = [row.values["data_loss"] for row in context.rows]
    assert losses[-1] < 0.8 * losses[0]
    assert result.metrics["test_accuracy"] is not None
    assert keras.models.load_model(workdir / "model.keras").count_params() == 160_305


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("cifar10_cnn", {"base_hidden_units": 4}),
        ("cifar10_cnn", {"base_hidden_units": 4, "batch_normalization": True}),
        ("vgg_like", {}),
        ("vgg_like", {"input_size": None, "filters": 4}),
    ],
)
def test_pictures(name: str, parameters: Any, small_files: SmallFiles, workdir: Path) -> None:
    small_files.cifar10(rows=4)
    context = InMemoryContext(workdir)
    spec = small_job(name, rows=10, epochs=2, **parameters)
    train(spec, context)
    assert len(context.rows) == 2
    for row in context.rows:
        values: dict[str, Any] = row.values
        assert math.isfinite(values["val_data_loss"])
        assert (values["penalty"] > 0) == (name == "cifar10_cnn")
    model = keras.models.load_model(workdir / "model.keras")
    assert model.predict(_picture(), verbose=0).shape == (1, 10)


def _picture() -> Any:
    return keras.ops.ones((1, 32, 32, 3))
