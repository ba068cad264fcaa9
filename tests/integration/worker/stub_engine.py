"""Engines without TensorFlow, chosen by the spec's name, in a real child process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode
from ridgeline.api.report import Environment, Report, Verdict
from ridgeline.failpoints import VARIABLE, switch_on
from ridgeline.spec.job_spec import JobSpec
from worker.engine.checkpoint import Checkpoint, CheckpointStore, Keeper, fingerprint
from worker.engine.context import (
    ExportedFile,
    RefusedOutput,
    TrainingContext,
    TrainingFailed,
    TrainingResult,
    TrainingStopped,
)
from worker.trainer.child import PipeContext
from worker.trainer.messages import Phase, encode

FOR_EVER = 3600.0
MODEL = b"the weights"
FILL_BYTES = 64 * 2**20
LARGE = 20_000
"""Numbers in an array that exceeds any write buffer, so that a partial write reaches the file."""


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train with the behaviour named by the spec."""
    return BEHAVIOURS[str(spec.name)](spec, context)


def succeed(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    for epoch in range(1, spec.training.epochs + 1):
        context.epoch_ended(row(epoch))
    return result(context)


def stop_early(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    context.epoch_ended(row(1))
    return replace(result(context), detail="Early stopping ended the training after epoch 1.")


def refuse_an_output(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    refused = RefusedOutput("onnx", "/outputs/1", "it predicts 2 where model.keras predicts 1")
    return replace(succeed(spec, context), refused=(refused,))


def slowly(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    for epoch in range(1, spec.training.epochs + 1):
        context.epoch_ended(row(epoch))
        time.sleep(0.1)
    return result(context)


def obedient(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train until asked to stop, then stop."""
    train_until_asked_to_stop(context)
    raise TrainingStopped


def flood(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Send messages faster than the supervisor can read them."""
    assert isinstance(context, PipeContext)
    context.epoch_ended(row(1))
    message = encode(Phase(name="x"))
    frames = (len(message).to_bytes(4, "big") + message) * 10_000
    while True:
        os.write(context._pipe.fileno(), frames)


def too_late(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Have the result ready when asked to stop."""
    train_until_asked_to_stop(context)
    return result(context)


def deaf(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Ignore the request to stop and SIGTERM; start a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    helper = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOR_EVER})"])
    context.epoch_ended(row(1, helper=helper.pid))
    time.sleep(FOR_EVER)
    return result(context)


def silent(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    context.epoch_ended(row(1))
    time.sleep(FOR_EVER)
    return result(context)


def diverge(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    context.epoch_ended(row(1))
    detail = "data_loss became NaN in epoch 1; train more slowly"
    raise TrainingFailed(EndCode.DIVERGED, detail, report(Verdict.DIVERGED))


def stumble(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    raise KeyError("a secret that users must not see")


def segfault(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    os.kill(os.getpid(), signal.SIGSEGV)
    return result(context)


def be_killed(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    os.kill(os.getpid(), signal.SIGKILL)
    return result(context)


def leave(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    os._exit(7)


def promise(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Name a file that does not exist."""
    return TrainingResult({}, (ExportedFile(context.workdir / "model.keras", "text/plain"),))


def tell_environment(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    visible = os.environ["CUDA_VISIBLE_DEVICES"]
    own_group = os.getpgid(0) == os.getpid() == os.getsid(0)
    return TrainingResult({"visible": float(visible), "own_group": float(own_group)}, ())


def read_dataset(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Publish the stored data set's file, and whether it is writable."""
    assert context.dataset_file is not None
    path = context.workdir / "model.keras"
    path.write_bytes(context.dataset_file.read_bytes())
    mode = context.dataset_file.stat().st_mode
    files = (ExportedFile(path, "application/vnd.keras"),)
    return TrainingResult({"writable": float(bool(mode & 0o222))}, files)


def die_at_four(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Write a checkpoint after every second epoch; in the first attempt be killed in the fourth."""

    def end_of(epoch: int, first: bool) -> None:
        if first and epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    return resumable(spec, context, end_of, every=2)


def stop_at_two(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """In the first attempt, wait after the second epoch to be asked to stop; write checkpoints."""

    def end_of(epoch: int, first: bool) -> None:
        while first and epoch == 2 and not context.stop_requested():
            time.sleep(0.01)

    return resumable(spec, context, end_of, every=1)


def stop_slowly(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Need most of the grace period to end the epoch in which it is asked to stop."""

    def end_of(epoch: int, first: bool) -> None:
        """Do nothing."""

    context.epoch_ended(row(1))
    while not context.stop_requested():
        time.sleep(0.01)
    time.sleep(2.0)
    return resumable(spec, context, end_of, every=1)


def fail_after_two(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Write checkpoints, then fail for good after the second epoch."""

    def end_of(epoch: int, first: bool) -> None:
        if epoch == 2:
            raise TrainingFailed(EndCode.DIVERGED, "train more slowly")

    return resumable(spec, context, end_of, every=1)


def keep_all(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Write a checkpoint after every epoch, if possible, and two large files at the end."""
    arm_failpoint()
    assert context.checkpoints is not None
    store = CheckpointStore(context.checkpoints, fingerprint(spec.model_dump_json()))
    keeper = Keeper(store, 0.0)
    newest = keeper.newest()
    weights, rows = np.ones(LARGE), []
    if newest is not None:
        weights, rows = newest.arrays["weights"], list(newest.rows)
        context.resumed(rows)
    for epoch in range(len(rows) + 1, spec.training.epochs + 1):
        weights = weights * 1.1 + epoch
        rows.append(row(epoch))
        context.epoch_ended(rows[-1])
        keeper.keep(Checkpoint(epoch, {"weights": weights, "step": np.array(epoch)}, {}, rows))
        if context.stop_requested():
            raise TrainingStopped
    paths = [context.workdir / name for name in ("model.keras", "weights.bin")]
    for path in paths:
        path.write_bytes(weights.tobytes())
    (context.workdir / "scrap").write_bytes(b"left behind")
    return TrainingResult({}, tuple(ExportedFile(path, "application/octet") for path in paths))


def fill_disk(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Write until the disk is full."""
    context.epoch_ended(row(1))
    with (context.workdir / "model.keras").open("wb") as file:
        for _ in range(FILL_BYTES // 2**16):
            file.write(bytes(2**16))
    return result(context)


def arm_failpoint() -> None:
    """Switch the slot's failpoint on: the process that trainers are forked from had none."""
    if VARIABLE in os.environ:
        switch_on(os.environ[VARIABLE])


def resumable(
    spec: JobSpec, context: TrainingContext, end_of: Callable[[int, bool], None], every: int
) -> TrainingResult:
    """Train from the newest checkpoint; the weights depend on every epoch that was trained."""
    assert context.checkpoints is not None
    store = CheckpointStore(context.checkpoints, fingerprint(spec.model_dump_json()))
    newest = store.newest()
    weights, rows = np.ones(3), []
    if newest is not None:
        weights, rows = newest.arrays["weights"], list(newest.rows)
        context.resumed(rows)
    for epoch in range(len(rows) + 1, spec.training.epochs + 1):
        weights = weights * 1.1 + epoch
        rows.append(row(epoch))
        context.epoch_ended(rows[-1])
        if epoch % every == 0:
            store.write(Checkpoint(epoch, {"weights": weights}, {}, rows))
        end_of(epoch, newest is None)
        if context.stop_requested():
            raise TrainingStopped
    path = context.workdir / "model.keras"
    path.write_bytes(weights.tobytes())
    return TrainingResult({}, (ExportedFile(path, "application/vnd.keras"),))


BEHAVIOURS: dict[str, Callable[[JobSpec, TrainingContext], TrainingResult]] = {
    behaviour.__name__: behaviour
    for behaviour in (
        *(succeed, stop_early, refuse_an_output, slowly, obedient, too_late, deaf, silent),
        *(diverge, stumble),
        *(segfault, be_killed, leave, promise, tell_environment),
        *(die_at_four, stop_at_two, stop_slowly, fail_after_two, keep_all, fill_disk),
        *(flood, read_dataset),
    )
}


def train_until_asked_to_stop(context: TrainingContext) -> None:
    epoch = 0
    while not context.stop_requested():
        epoch += 1
        context.epoch_ended(row(epoch))
        time.sleep(0.02)


def result(context: TrainingContext) -> TrainingResult:
    path = context.workdir / "model.keras"
    path.write_bytes(MODEL)
    files = (ExportedFile(path, "application/vnd.keras"),)
    return TrainingResult({"accuracy": 0.5}, files, report(Verdict.GOOD))


def report(verdict: Verdict) -> Report:
    return Report(
        verdict=verdict,
        evidence=(),
        epochs=1,
        best_epoch=None,
        gap=None,
        gap_share=None,
        reference=None,
        baseline=None,
        losses={"loss": None},
        penalty_share=None,
        penalties=(),
        weights=(),
        nonfinite_weights=(),
        histograms_left_out=0,
        raises=(),
        suggestions=(),
        environment=Environment(python="3", keras="3", tensorflow="2", numpy="2", devices=()),
    )


def row(epoch: int, helper: int = 0) -> EpochRow:
    """An epoch whose values include the ids of the processes that trained it."""
    values: dict[str, float | None] = {
        "loss": 1.0 / epoch,
        "pid": float(os.getpid()),
        "helper": float(helper),
    }
    return EpochRow(epoch=epoch, values=values, penalty_by_layer={}, seconds=0.02)
