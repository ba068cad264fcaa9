"""A cache of small files, and specs that use it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.dataset import Dataset
from ridgeline.spec.job_spec import JobSpec
from tests.unit.worker.engine.data.keras_cache import SmallFiles

Resolve = Callable[..., Resolution]


@pytest.fixture
def files(tmp_path: Path) -> SmallFiles:
    return SmallFiles(tmp_path / "datasets")


def keras_spec(name: str, split: Any = None, seed: int = 3, **options: Any) -> JobSpec:
    """A spec of the least that trains on a Keras data set."""
    loss = "mean_squared_error" if name == "california_housing" else "categorical_crossentropy"
    units = {"california_housing": 1, "cifar100": 100, "imdb": 2, "reuters": 46}.get(name, 10)
    spec = {
        "dataset": {"source": "keras", "name": name, **options},
        "split": split or {"validation": 0.2},
        "model": {"layers": [{"type": "Flatten"}, {"type": "Dense", "units": units}]},
        "training": {"loss": {"name": loss, "from_logits": units > 1}, "seed": seed},
    }
    return JobSpec.model_validate_json(json.dumps(spec))


def keras_dataset(name: str, **options: Any) -> Dataset:
    return keras_spec(name, **options).dataset


@pytest.fixture(scope="session")
def resolve_keras() -> Resolve:
    """Resolve a spec of a Keras data set."""
    return lambda name, **options: resolve(keras_spec(name, **options))
