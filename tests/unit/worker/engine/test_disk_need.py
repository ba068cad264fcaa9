"""What the contract says a training takes of the disk is what the engine writes."""

from pathlib import Path
from typing import Any

import pytest

from ridgeline.planning.disk import CHECKPOINTS_AT_ONCE, disk_need
from ridgeline.planning.resolve import resolve
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.context import InMemoryContext
from worker.engine.train import train

WIDE = [
    {"type": "Dense", "units": 500, "activation": "relu"},
    {"type": "Dense", "units": 500, "activation": "relu"},
    {"type": "Dense", "units": 3, "activation": "softmax"},
]
STOP = {"early_stopping": {"patience": 5, "restore_best_weights": True}}
RAISE = {"weights": {"l2": 1e-4, "raise_on_overfit": {"to": 0.01, "factor": 5}}}


@pytest.mark.parametrize(
    ("outputs", "training", "regularization"),
    [
        (["keras", "weights"], {"optimizer": {"name": "adam"}}, {}),
        (["saved_model", "onnx"], {"optimizer": {"name": "sgd"}, **STOP}, RAISE),
        (["litert"], {"optimizer": {"name": "sgd", "momentum": 0.9}, **STOP}, {}),
    ],
)
def test_files_and_checkpoints(
    make_spec: MakeSpec,
    workdir: Path,
    tmp_path: Path,
    outputs: list[str],
    training: dict[str, Any],
    regularization: dict[str, Any],
) -> None:
    spec = resolve(
        make_spec(
            training,
            model={"layers": WIDE},
            outputs=outputs,
            regularization=regularization,
        )
    ).spec
    need = disk_need(spec)
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    train(spec, InMemoryContext(workdir, checkpoints=checkpoints, checkpoint_interval_s=0.0))
    written = size(workdir)
    archived_twice = size(workdir, "saved_model.zip")  # the folder it is made of is gone by now
    assert written + archived_twice <= need.files <= 1.3 * (written + archived_twice)
    kept = max(path.stat().st_size for path in checkpoints.glob("*.checkpoint"))
    assert kept <= need.checkpoints / CHECKPOINTS_AT_ONCE <= 1.3 * kept


def size(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())
