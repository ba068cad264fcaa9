"""Specs and setups the engine's tests share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.job_spec import JobSpec
from worker.engine.data import Data, prepare_data
from worker.engine.epoch import CompiledEpoch
from worker.engine.model import Network
from worker.engine.objective import Objective, build_objective
from worker.engine.passes import decoding, row_spec

MakeSpec = Callable[..., JobSpec]

DENSE = [
    {"type": "Dense", "units": 16, "activation": "relu"},
    {"type": "Dense", "units": 3, "activation": "softmax"},
]


@pytest.fixture(scope="session")
def make_spec() -> MakeSpec:
    """Build a small iris spec; keywords replace its sections, `training` is merged."""

    def make(training: dict[str, Any] | None = None, **sections: Any) -> JobSpec:
        defaults: dict[str, Any] = {
            "dataset": {"source": "builtin", "name": "iris"},
            "split": {"validation": 0.2, "test": 0.2, "stratify": True},
            "model": {"layers": DENSE},
            "training": {"loss": "sparse_categorical_crossentropy", "epochs": 2, "batch_size": 32},
        }
        spec = defaults | sections
        spec["training"] = spec["training"] | (training or {})
        return JobSpec.model_validate(spec, strict=False)

    return make


class Setup:
    """Everything training is made of, for tests that look inside."""

    def __init__(self, spec: JobSpec, data: Data | None = None) -> None:
        """`data` stands in for the spec's own."""
        self.resolution: Resolution = resolve(spec)
        self.spec = self.resolution.spec
        self.data: Data = data or prepare_data(self.resolution)
        self.network = Network(self.resolution)
        self.objective: Objective = build_objective(self.resolution, self.network, self.data)
        self.epoch = CompiledEpoch(
            self.network,
            self.objective,
            row_spec(self.data.train),
            decoding(self.data),
            rows=self.data.train.rows,
            batch_size=self.spec.training.batch_size,
        )


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
