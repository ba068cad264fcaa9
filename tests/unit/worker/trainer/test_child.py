"""What a trainer reports: its epochs, and the reason after an unexpected exception."""

import errno
from multiprocessing import Pipe
from pathlib import Path

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode
from ridgeline.spec.faults import Fault, SpecError
from worker.engine.context import InMemoryContext, TrainingContext
from worker.trainer.child import Assignment, PipeContext, explain
from worker.trainer.messages import Epoch, Resumed, decode_from_trainer


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), EndCode.OUT_OF_MEMORY),
        (ResourceExhaustedError("OOM when allocating tensor"), EndCode.OUT_OF_MEMORY),
        (ResourceExhaustedError("model/x: No space left on device"), EndCode.NO_SPACE),
        (OSError(errno.ENOSPC, "No space left on device"), EndCode.NO_SPACE),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), EndCode.NO_SPACE),
        (OSError(errno.EACCES, "Permission denied"), EndCode.INTERNAL_ERROR),
        (ValueError("hunter2"), EndCode.INTERNAL_ERROR),
        (SpecError([Fault(pointer="/model", detail="no", rule="r")]), EndCode.INVALID_SPEC),
    ],
)
def test_exception_gets_an_end_code(error: Exception, code: EndCode) -> None:
    reason = explain(error)
    assert reason.code is code
    assert reason.detail
    assert "hunter2" not in reason.detail


def row(epoch: int) -> EpochRow:
    return EpochRow(epoch=epoch, values={}, penalty_by_layer={}, seconds=0.1)


def test_rows_before_a_checkpoint_are_sent_first(tmp_path: Path) -> None:
    ours, theirs = Pipe()
    assignment = Assignment("{}", tmp_path, {}, {}, tmp_path / "checkpoints", 5.0)
    context: TrainingContext = PipeContext(theirs, assignment)
    assert context.checkpoints == tmp_path / "checkpoints"
    assert context.checkpoint_interval_s == 5.0
    context.resumed([row(1), row(2)])
    context.epoch_ended(row(3))
    received = [decode_from_trainer(ours.recv_bytes()) for _ in range(2)]
    assert received == [Resumed(until=2, rows=(row(1), row(2))), Epoch(row=row(3))]


def test_context_has_the_file_of_a_stored_data_set(tmp_path: Path) -> None:
    _, theirs = Pipe()
    file = tmp_path / "rows.csv"
    assert (
        PipeContext(theirs, Assignment("{}", tmp_path, {}, {}, dataset_file=file)).dataset_file
        == file
    )
    assert PipeContext(theirs, Assignment("{}", tmp_path, {}, {})).dataset_file is None
    assert InMemoryContext(tmp_path).dataset_file is None


def test_in_memory_context_counts_resumed_epochs(tmp_path: Path) -> None:
    context = InMemoryContext(tmp_path, stop_after=3)
    assert (context.checkpoints, context.checkpoint_interval_s) == (None, 0.0)
    context.resumed([row(1), row(2)])
    assert not context.stop_requested()
    context.epoch_ended(row(3))
    assert context.stop_requested()
    assert [row.epoch for row in context.rows] == [1, 2, 3]
