"""The words between trainer and supervisor."""

import json
import pickle

import pytest
from pydantic import ValidationError

from ridgeline.contract.curves import EpochRow
from ridgeline.contract.job import EndCode, EndReason
from worker.trainer.messages import (
    Epoch,
    Failed,
    File,
    Finished,
    FromTrainer,
    Stop,
    Stopped,
    decode_from_trainer,
    decode_stop,
    encode,
)

ROW = EpochRow(
    epoch=3,
    values={"loss": 0.25, "auc": None},
    penalty_by_layer={"dense/kernel/l2": 0.1},
    nonfinite=("auc",),
    seconds=0.5,
)


@pytest.mark.parametrize(
    "message",
    [
        Epoch(row=ROW),
        Finished(metrics={"loss": 0.1}, files=(File(name="model.keras", media_type="a/b"),)),
        Failed(reason=EndReason(code=EndCode.DIVERGED, detail="NaN")),
        Stopped(),
    ],
)
def test_round_trip(message: FromTrainer) -> None:
    assert decode_from_trainer(encode(message)) == message


def test_stop_goes_the_other_way() -> None:
    assert decode_stop(encode(Stop())) == Stop()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        pickle.dumps({"kind": "stopped"}),
        b"{}",
        b'{"kind": "stop"}',
        b'{"kind": "stopped", "more": 1}',
        b'{"kind": "epoch", "row": {"epoch": 0}}',
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValidationError):
        decode_from_trainer(data)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../x", "x" * 129, "a\n"])
def test_file_names_stay_in_the_workdir(name: str) -> None:
    data = {"kind": "finished", "metrics": {}, "files": [{"name": name, "media_type": "a/b"}]}
    with pytest.raises(ValidationError):
        decode_from_trainer(json.dumps(data).encode())


def test_metrics_are_finite() -> None:
    with pytest.raises(ValidationError):
        Finished(metrics={"loss": float("nan")}, files=())
