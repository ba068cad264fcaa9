"""The trainer: one process, one attempt. It has no credentials; a pipe to its supervisor is all.

Importing this module imports no TensorFlow: the supervisor names its functions, the forked process
runs them.
"""

import importlib
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import structlog
from pydantic import ValidationError

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason
from ridgeline.api.report import Report
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.schema import Contract
from worker.engine.context import (
    TrainingContext,
    TrainingFailed,
    TrainingResult,
    TrainingStopped,
)
from worker.trainer import stderr
from worker.trainer.bounds import die_with_parent, limit_memory, offer_to_die_first
from worker.trainer.disk import DISK_FULL, is_disk_full
from worker.trainer.logs import Faucet, log_to
from worker.trainer.messages import (
    MAX_MESSAGE_BYTES,
    Epoch,
    Failed,
    File,
    Finished,
    Phase,
    Stopped,
    decode_stop,
    encode,
    resumed_messages,
)

Engine = Callable[[JobSpec, TrainingContext], TrainingResult]
_MAX_DETAIL = 2000
_OUT_OF_MEMORY = (
    "The memory of the worker or its GPU did not suffice; lower training.batch_size or make the"
    " network smaller."
)
_UNEXPECTED = (
    "Training ended with an unexpected {}, a fault of Ridgeline's own; the job's log (GET"
    " /jobs/{{id}}/logs) has the details."
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Assignment:
    """What a trainer is to do."""

    spec: str
    """A resolved JobSpec as JSON."""
    workdir: Path
    environment: Mapping[str, str]
    """Variables to set before TensorFlow sees a device."""
    tags: Mapping[str, str | int]
    """What its log lines carry."""
    checkpoints: Path | None = None
    """The job's folder for checkpoints, which outlives the attempt."""
    checkpoint_interval_s: float = 0.0
    memory_bytes: int | None = None
    """How much memory of its own the trainer may have."""
    dataset_file: Path | None = None
    """The file of an uploaded data set, on this machine."""


def keras_engine(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train with TensorFlow, which the forkserver has imported."""
    importlib.import_module("worker.engine.devices").prepare(spec)
    result: TrainingResult = importlib.import_module("worker.engine.train").train(spec, context)
    return result


def main(pipe: Connection, assignment: Assignment, engine: Engine) -> None:
    """Run in the forked process: train, and say over `pipe` how it went."""
    os.setsid()  # the supervisor kills the whole group, and a terminal's Ctrl-C does not get here
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    offer_to_die_first()
    limit_memory(assignment.memory_bytes)
    os.environ.update(assignment.environment)
    structlog.contextvars.bind_contextvars(**assignment.tags)
    stderr.redirect(assignment.workdir)
    context = PipeContext(pipe, assignment)
    log_to(context.send, Faucet(pipe.fileno()))
    context.listen()
    context.send(_train(assignment, context, engine))


class PipeContext:
    """The engine's way out, over the pipe to the supervisor."""

    def __init__(self, pipe: Connection, assignment: Assignment) -> None:
        self.workdir = assignment.workdir
        self.checkpoints = assignment.checkpoints
        self.checkpoint_interval_s = assignment.checkpoint_interval_s
        self.dataset_file = assignment.dataset_file
        self._pipe = pipe
        self._sending = threading.Lock()
        self._stop = threading.Event()

    def phase(self, name: str) -> None:
        """Report what comes now."""
        self.send(Phase(name=name))

    def resumed(self, rows: Sequence[EpochRow]) -> None:
        """Report the epochs before this attempt."""
        for message in resumed_messages(rows):
            self.send(message)

    def epoch_ended(self, row: EpochRow) -> None:
        """Report an epoch."""
        self.send(Epoch(row=row))

    def stop_requested(self) -> bool:
        """Whether the supervisor has asked to stop."""
        return self._stop.is_set()

    def listen(self) -> None:
        """Heed the supervisor from now on, in a thread of its own."""
        threading.Thread(target=self._heed, name="supervisor", daemon=True).start()

    def send(self, message: Contract) -> None:
        """Say something to the supervisor; any thread may."""
        data = encode(message)
        try:
            with self._sending:
                self._pipe.send_bytes(data)
        except OSError:
            _end_as_orphan()

    def _heed(self) -> None:
        try:
            while True:
                decode_stop(self._pipe.recv_bytes(MAX_MESSAGE_BYTES))
                self._stop.set()
        except (EOFError, OSError, ValidationError):
            _end_as_orphan()


def _train(
    assignment: Assignment, context: PipeContext, engine: Engine
) -> Finished | Failed | Stopped:
    try:
        spec = JobSpec.model_validate_json(assignment.spec)
        result = engine(spec, context)
        files = [File(name=file.name, media_type=file.media_type) for file in result.files]
        return Finished(metrics=result.metrics, files=tuple(files), report=result.report)
    except TrainingStopped:
        return Stopped()
    except TrainingFailed as failure:
        return _failed(failure.code, failure.detail, failure.report)
    except Exception as error:  # whatever it is, the user is told how the job ended
        log.exception("training_failed", error=type(error).__name__)
        return _failed(*explain(error))


def explain(error: Exception) -> tuple[EndCode, str]:
    """What to tell the user of an exception that the engine did not foresee."""
    text = str(error)
    # TensorFlow has one exception for memory and disk; it is known here by its name alone.
    exhausted = any(kind.__name__ == "ResourceExhaustedError" for kind in type(error).__mro__)
    if is_disk_full(error):
        return DISK_FULL.code, DISK_FULL.detail
    if exhausted or isinstance(error, MemoryError):
        return EndCode.OUT_OF_MEMORY, _OUT_OF_MEMORY
    if isinstance(error, SpecError | ValidationError):
        return EndCode.INVALID_SPEC, f"This worker cannot train the spec: {text}"
    return EndCode.INTERNAL_ERROR, _UNEXPECTED.format(type(error).__name__)


def _failed(code: EndCode, detail: str, report: Report | None = None) -> Failed:
    return Failed(reason=EndReason(code=code, detail=detail[:_MAX_DETAIL]), report=report)


def _end_as_orphan() -> None:
    """End without a supervisor, and with all that was started here.

    Nobody would take the result: whoever holds the job now trains it elsewhere.
    """
    os.killpg(0, signal.SIGKILL)
