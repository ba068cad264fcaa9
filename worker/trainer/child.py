"""The trainer: one process for one attempt, without credentials, connected by a pipe alone.

Importing this module does not import TensorFlow: the supervisor refers to its functions, and the
forked process runs them.
"""

import importlib
import json
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
from ridgeline.planning.advice import Advice
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.schema import Contract
from worker.engine.context import (
    Reader,
    RefusedOutput,
    TrainingContext,
    TrainingFailed,
    TrainingResult,
    TrainingStopped,
)
from worker.trainer.limits import (
    DISK_FULL,
    die_with_parent,
    is_disk_full,
    limit_memory,
    offer_to_die_first,
)
from worker.trainer.logs import LineLimiter, log_to, redirect_stderr
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
from worker.trainer.reader import fork_readers

Engine = Callable[[JobSpec, TrainingContext], TrainingResult]
_MAX_DETAIL = 2000
REFUSED = "output-refused"
_CHECK = "Every file is run without Ridgeline and compared with model.keras before it is published."
_OUT_OF_MEMORY = (
    "The worker or its GPU ran out of memory; lower training.batch_size or make the network"
    " smaller."
)
_UNEXPECTED = (
    "Training ended with an unexpected {}, which is a bug in Ridgeline; see the job's log"
    " (GET /jobs/{{id}}/logs)."
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Assignment:
    """A trainer's task."""

    spec: str
    """A resolved JobSpec as JSON."""
    workdir: Path
    environment: Mapping[str, str]
    """Variables to set before TensorFlow initializes a device."""
    tags: Mapping[str, str | int]
    """Fields of all its log lines."""
    checkpoints: Path | None = None
    """The job's checkpoint folder, which outlives the attempt."""
    checkpoint_interval_s: float = 0.0
    memory_bytes: int | None = None
    """The most private memory the trainer may use."""
    dataset_file: Path | None = None
    """The file of a stored data set, on this machine."""


def keras_engine(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train with TensorFlow, which the forkserver has already imported."""
    importlib.import_module("worker.engine.devices").prepare(spec)
    result: TrainingResult = importlib.import_module("worker.engine.train").train(spec, context)
    return result


def main(pipe: Connection, assignment: Assignment, engine: Engine) -> None:
    """In the forked process: train, and report over `pipe` how it went."""
    os.setsid()  # the supervisor kills the whole group; a terminal's Ctrl-C does not reach it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    offer_to_die_first()
    limit_memory(assignment.memory_bytes)
    os.environ.update(assignment.environment)
    structlog.contextvars.bind_contextvars(**assignment.tags)
    redirect_stderr(assignment.workdir)
    context = PipeContext(pipe, assignment, fork_readers(_outputs(assignment), pipe))
    log_to(context.send, LineLimiter(pipe.fileno()))
    context.listen()
    context.send(_train(assignment, context, engine))


def _outputs(assignment: Assignment) -> list[str]:
    """The outputs of the spec; none if it cannot be read, which _train() reports."""
    try:
        outputs: list[str] = json.loads(assignment.spec)["outputs"]
    except (ValueError, KeyError):
        return []
    return outputs


class PipeContext:
    """The engine's context: reports to the supervisor over the pipe."""

    def __init__(
        self, pipe: Connection, assignment: Assignment, readers: Mapping[str, Reader] | None = None
    ) -> None:
        self.workdir = assignment.workdir
        self.checkpoints = assignment.checkpoints
        self.checkpoint_interval_s = assignment.checkpoint_interval_s
        self.dataset_file = assignment.dataset_file
        self.readers = readers or {}
        self._pipe = pipe
        self._sending = threading.Lock()
        self._stop = threading.Event()

    def phase(self, name: str) -> None:
        """Report the phase that starts now."""
        self.send(Phase(name=name))

    def resumed(self, rows: Sequence[EpochRow]) -> None:
        """Report the epochs of earlier attempts."""
        for message in resumed_messages(rows):
            self.send(message)

    def epoch_ended(self, row: EpochRow) -> None:
        """Report an epoch."""
        self.send(Epoch(row=row))

    def stop_requested(self) -> bool:
        """Whether the supervisor has asked to stop."""
        return self._stop.is_set()

    def listen(self) -> None:
        """Start a thread that receives the supervisor's requests."""
        threading.Thread(target=self._receive, name="supervisor", daemon=True).start()

    def send(self, message: Contract) -> None:
        """Send a message to the supervisor; thread-safe."""
        data = encode(message)
        try:
            with self._sending:
                self._pipe.send_bytes(data)
        except OSError:
            _end_as_orphan()

    def _receive(self) -> None:
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
        return Finished(
            metrics=result.metrics,
            files=tuple(files),
            report=result.report,
            detail=result.detail and result.detail[:_MAX_DETAIL],
            refused=tuple(_advice(refused) for refused in result.refused),
        )
    except TrainingStopped:
        return Stopped()
    except TrainingFailed as failure:
        return Failed(reason=_reason(failure.code, failure.detail), report=failure.report)
    except Exception as error:  # the user gets a reason in every case
        log.exception("training_failed", error=type(error).__name__)
        return Failed(reason=explain(error))


def _advice(refused: RefusedOutput) -> Advice:
    return Advice(
        id=REFUSED,
        severity="warning",
        pointer=refused.pointer,
        message=f"{refused.output} was not published: {refused.detail}"[:_MAX_DETAIL],
        source=_CHECK,
    )


def explain(error: Exception) -> EndReason:
    """The reason for the user after an exception that the engine did not expect."""
    # TensorFlow has one exception for memory and disk; without TensorFlow only its name is known.
    exhausted = any(kind.__name__ == "ResourceExhaustedError" for kind in type(error).__mro__)
    if is_disk_full(error):
        return DISK_FULL
    if exhausted or isinstance(error, MemoryError):
        return _reason(EndCode.OUT_OF_MEMORY, _OUT_OF_MEMORY)
    if isinstance(error, SpecError | ValidationError):
        return _reason(EndCode.INVALID_SPEC, f"This worker cannot train the spec: {error}")
    return _reason(EndCode.INTERNAL_ERROR, _UNEXPECTED.format(type(error).__name__))


def _reason(code: EndCode, detail: str) -> EndReason:
    return EndReason(code=code, detail=detail[:_MAX_DETAIL])


def _end_as_orphan() -> None:
    """Kill this process, which has lost its supervisor, and all that it started.

    Nobody would receive the result: the job's next holder trains it elsewhere.
    """
    os.killpg(0, signal.SIGKILL)
