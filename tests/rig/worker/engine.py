"""An engine without TensorFlow: real checkpoints, real files, and requested faults."""

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable
from math import nan

import numpy as np
import structlog

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode
from ridgeline.spec.job_spec import JobSpec
from tests.rig.work import MODEL, PAYLOAD, SIZE, Fault, Work, after, loss_of
from worker.engine.checkpoint import Checkpoint, CheckpointStore, fingerprint
from worker.engine.checkpoint.store import Keeper
from worker.engine.context import (
    ExportedFile,
    TrainingContext,
    TrainingFailed,
    TrainingResult,
    TrainingStopped,
)
from worker.trainer.child import PipeContext

_FOREVER = 3600.0
_EXIT_CODE = 7
_MEGABYTE = 2**20
_EATEN_MB = 600
_CHATTER_S = 0.05


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Do the work encoded in the job's name, with checkpoints like the real engine."""
    work, training = Work.named(str(spec.name)), spec.training
    store = None
    if context.checkpoints is not None:
        store = CheckpointStore(context.checkpoints, fingerprint(spec.model_dump_json()))
    keeper = Keeper(store, context.checkpoint_interval_s)
    weights, rows = _resumed(keeper, context)
    for epoch in range(len(rows) + 1, training.epochs + 1):
        time.sleep(work.epoch_s)
        weights = after(weights, training.seed, epoch)
        if work.strikes(epoch, _attempt()):
            _FAULTS[Fault(str(work.fault))](epoch, context)
        rows.append(_row(epoch, loss_of(weights), work.epoch_s))
        context.epoch_ended(rows[-1])
        checkpoint = Checkpoint(epoch, {"weights": weights}, {}, tuple(rows))
        if epoch < training.epochs and context.stop_requested():
            keeper.keep(checkpoint)
            raise TrainingStopped
        if keeper.due:
            keeper.keep(checkpoint)
    return _exported(context, {MODEL: weights.tobytes(), PAYLOAD: work.content(training.seed)})


def _resumed(keeper: Keeper, context: TrainingContext) -> tuple[np.ndarray, list[EpochRow]]:
    newest = keeper.newest()
    if newest is None:
        return np.zeros(SIZE), []
    context.resumed(newest.rows)
    return newest.arrays["weights"], list(newest.rows)


def _exported(context: TrainingContext, files: dict[str, bytes]) -> TrainingResult:
    for name, content in files.items():
        (context.workdir / name).write_bytes(content)
    exported = [ExportedFile(context.workdir / name, "application/octet-stream") for name in files]
    return TrainingResult({}, tuple(exported))


def _row(epoch: int, loss: float, seconds: float) -> EpochRow:
    return EpochRow(epoch=epoch, values={"loss": loss}, penalty_by_layer={}, seconds=seconds)


def _attempt() -> int:
    """The number of this attempt, from the fields of the trainer's log lines."""
    return int(structlog.contextvars.get_contextvars()["attempt"])


def _exit(epoch: int, context: TrainingContext) -> None:
    os._exit(_EXIT_CODE)


def _segfault(epoch: int, context: TrainingContext) -> None:
    ctypes.string_at(0)


def _kill(epoch: int, context: TrainingContext) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang(epoch: int, context: TrainingContext) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(_FOREVER)


def _nan(epoch: int, context: TrainingContext) -> None:
    row = EpochRow(
        epoch=epoch, values={"loss": None}, penalty_by_layer={}, nonfinite=("loss",), seconds=0.0
    )
    context.epoch_ended(row)
    raise TrainingFailed(EndCode.DIVERGED, f"loss became {nan} in epoch {epoch}; train more slowly")


def _memory(epoch: int, context: TrainingContext) -> None:
    raise MemoryError


def _disk_full(epoch: int, context: TrainingContext) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _error(epoch: int, context: TrainingContext) -> None:
    raise KeyError("an unexpected error")


def _leave(epoch: int, context: TrainingContext) -> None:
    os._exit(0)


def _garbage(epoch: int, context: TrainingContext) -> None:
    os.write(_pipe_of(context), b"corrupted size vs. prev_size")
    time.sleep(_FOREVER)


def _half(epoch: int, context: TrainingContext) -> None:
    os.write(_pipe_of(context), (1000).to_bytes(4, "big") + b'{"kind": "ep')
    time.sleep(_FOREVER)


def _pipe_of(context: TrainingContext) -> int:
    assert isinstance(context, PipeContext)
    return context._pipe.fileno()


def _eat(epoch: int, context: TrainingContext) -> None:
    memory = [bytearray(b"x" * _MEGABYTE) for _ in range(_EATEN_MB)]
    raise MemoryError(len(memory))


def _chatter(epoch: int, context: TrainingContext) -> None:
    while not context.stop_requested():
        context.phase("training")
        if epoch > 1:
            context.epoch_ended(_row(epoch - 1, 0.0, 0.0))
        time.sleep(_CHATTER_S)
    raise TrainingStopped  # the epoch never ended, even if it is the last


_FAULTS: dict[Fault, Callable[[int, TrainingContext], None]] = {
    Fault.EXIT: _exit,
    Fault.SEGFAULT: _segfault,
    Fault.KILL: _kill,
    Fault.HANG: _hang,
    Fault.NAN: _nan,
    Fault.MEMORY: _memory,
    Fault.DISK_FULL: _disk_full,
    Fault.ERROR: _error,
    Fault.LEAVE: _leave,
    Fault.GARBAGE: _garbage,
    Fault.HALF: _half,
    Fault.EAT: _eat,
    Fault.CHATTER: _chatter,
}
