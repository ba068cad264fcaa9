"""An engine without TensorFlow: real checkpoints, real files, and the faults it is told to have."""

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable
from math import nan

import numpy as np
import structlog

from ridgeline.contract.curves import EpochRow
from ridgeline.contract.job import EndCode
from ridgeline.contract.spec import JobSpec
from tests.rig.work import MODEL, PAYLOAD, SIZE, Fault, Work, after, loss_of
from worker.engine.checkpoint import Checkpoint, CheckpointStore, fingerprint
from worker.engine.checkpoint.keeper import Keeper
from worker.engine.context import (
    ExportedFile,
    TrainingContext,
    TrainingFailed,
    TrainingResult,
    TrainingStopped,
)

_FOR_EVER = 3600.0
_EXIT_CODE = 7


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Do what the job's name says, as the real engine does it."""
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
    found = keeper.newest()
    if found is None:
        return np.zeros(SIZE), []
    context.resumed(found.rows)
    return found.arrays["weights"], list(found.rows)


def _exported(context: TrainingContext, files: dict[str, bytes]) -> TrainingResult:
    for name, content in files.items():
        (context.workdir / name).write_bytes(content)
    exported = [ExportedFile(context.workdir / name, "application/octet-stream") for name in files]
    return TrainingResult({}, tuple(exported))


def _row(epoch: int, loss: float, seconds: float) -> EpochRow:
    return EpochRow(epoch=epoch, values={"loss": loss}, penalty_by_layer={}, seconds=seconds)


def _attempt() -> int:
    """Which attempt this is: the trainer's log lines carry it."""
    return int(structlog.contextvars.get_contextvars()["attempt"])


def _exit(epoch: int, context: TrainingContext) -> None:
    os._exit(_EXIT_CODE)


def _segfault(epoch: int, context: TrainingContext) -> None:
    ctypes.string_at(0)


def _kill(epoch: int, context: TrainingContext) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang(epoch: int, context: TrainingContext) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(_FOR_EVER)


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
    raise KeyError("nobody has foreseen this")


_FAULTS: dict[Fault, Callable[[int, TrainingContext], None]] = {
    Fault.EXIT: _exit,
    Fault.SEGFAULT: _segfault,
    Fault.KILL: _kill,
    Fault.HANG: _hang,
    Fault.NAN: _nan,
    Fault.MEMORY: _memory,
    Fault.DISK_FULL: _disk_full,
    Fault.ERROR: _error,
}
