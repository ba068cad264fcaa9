"""The messages between trainer and supervisor."""

import json
import pickle

import pytest
from pydantic import ValidationError

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason
from ridgeline.api.log import LogLevel
from ridgeline.api.report import (
    Environment,
    Evidence,
    Raise,
    Report,
    Suggestion,
    Verdict,
)
from ridgeline.spec.job_spec import PatchOperation
from worker.trainer.messages import (
    MAX_MESSAGE_BYTES,
    Epoch,
    Failed,
    File,
    Finished,
    FromTrainer,
    LogMessage,
    Resumed,
    Stop,
    Stopped,
    decode_from_trainer,
    decode_stop,
    encode,
    resumed_messages,
)

ROW = EpochRow(
    epoch=3,
    values={"loss": 0.25, "auc": None},
    penalty_by_layer={"dense/kernel/l2": 0.1},
    nonfinite=("auc",),
    seconds=0.5,
)


REPORT = Report(
    verdict=Verdict.OVERFIT,
    evidence=(Evidence(id="large-gap", message="A gap.", series=("loss",), epochs=(3,)),),
    epochs=3,
    best_epoch=2,
    gap=0.5,
    gap_share=0.25,
    reference=2.0,
    baseline=2.0,
    losses={"loss": 0.25},
    penalty_share=0.1,
    penalties=(),
    weights=(),
    nonfinite_weights=("dense/kernel",),
    histograms_left_out=0,
    raises=(Raise(epoch=3, restored_epoch=2, what="dropout", before=0.3, after=0.4),),
    suggestions=(
        Suggestion(
            id="add-dropout",
            message="Add dropout.",
            source="note",
            patch=(PatchOperation(op="add", path="/regularization/dropout", value={"rate": 0.3}),),
        ),
    ),
    environment=Environment(python="3", keras="3", tensorflow="2", numpy="2", devices=("CPU",)),
)


@pytest.mark.parametrize(
    "message",
    [
        Epoch(row=ROW),
        Resumed(until=3, rows=(ROW,)),
        Finished(metrics={"loss": 0.1}, files=(File(name="model.keras", media_type="a/b"),)),
        Failed(reason=EndReason(code=EndCode.DIVERGED, detail="NaN")),
        Failed(reason=EndReason(code=EndCode.DIVERGED, detail="NaN"), report=REPORT),
        Finished(metrics={}, files=(), report=REPORT, detail="Early stopping ended it."),
        Stopped(),
        LogMessage(at=1.5, level=LogLevel.ERROR, event="it failed", fields='{"a": [1, null]}'),
    ],
)
def test_message_survives_encoding_and_decoding(message: FromTrainer) -> None:
    assert decode_from_trainer(encode(message)) == message


@pytest.mark.parametrize(("layers", "count", "messages"), [(1, 2500, 3), (2000, 100, 4)])
def test_rows_before_a_checkpoint_are_split_into_messages_that_fit(
    layers: int, count: int, messages: int
) -> None:
    """With many rows, and with many penalized layers."""
    by_layer: dict[str, float | None] = {
        f"a_layer_with_a_name_of_some_length_{n}/kernel/l2": 1 / 3 for n in range(layers)
    }
    rows = [
        EpochRow(epoch=epoch, values={"loss": 0.1}, penalty_by_layer=by_layer, seconds=0.5)
        for epoch in range(1, count + 1)
    ]
    sent = [encode(message) for message in resumed_messages(rows)]
    assert len(sent) == messages
    assert all(len(data) < MAX_MESSAGE_BYTES / 2 for data in sent)
    received = [decode_from_trainer(data) for data in sent]
    resumed = [message for message in received if isinstance(message, Resumed)]
    assert [row for message in resumed for row in message.rows] == rows
    assert {message.until for message in resumed} == {count}


def test_no_rows_give_no_message() -> None:
    assert list(resumed_messages([])) == []


def test_stop_survives_encoding_and_decoding() -> None:
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
        b'{"kind": "resumed", "until": 0, "rows": []}',
        b'{"kind": "log", "at": 0, "level": "loud", "event": "", "fields": "{}"}',
    ],
)
def test_other_data_is_rejected(data: bytes) -> None:
    with pytest.raises(ValidationError):
        decode_from_trainer(data)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../x", "x" * 129, "a\n"])
def test_file_name_outside_the_workdir_is_rejected(name: str) -> None:
    data = {"kind": "finished", "metrics": {}, "files": [{"name": name, "media_type": "a/b"}]}
    with pytest.raises(ValidationError):
        decode_from_trainer(json.dumps(data).encode())


def test_metric_that_is_not_finite_is_rejected() -> None:
    with pytest.raises(ValidationError):
        Finished(metrics={"loss": float("nan")}, files=())
