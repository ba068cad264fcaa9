"""A trainer's process, as its supervisor sees it."""

import os
import signal
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from typing import Self

import structlog

from ridgeline.storage import AttemptExit
from worker.drain import Drain
from worker.trainer import child
from worker.trainer.child import Assignment, Engine
from worker.trainer.frames import Frames
from worker.trainer.logs import StderrFile
from worker.trainer.messages import FromTrainer, Stop, encode

KILL_S = 10.0
_READ_BYTES = 2**16
_MAX_READS = 64
"""Per call: a trainer that sends without pause must neither fill memory nor evade its limits."""

log = structlog.get_logger()


class TrainerProcess:
    """One trainer: started by the constructor; a context manager that kills it on exit."""

    def __init__(self, context: ForkServerContext, assignment: Assignment, engine: Engine) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=child.main, args=(theirs, assignment, engine), name="trainer", daemon=True
        )
        self._frames = Frames()
        self._gone = False
        self.stderr = StderrFile(assignment.workdir)
        """What native code writes."""
        with theirs:  # the trainer keeps the only copy of this end, so its death ends the pipe
            self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()  # after its final message it has nothing left to do
        self._pipe.close()

    @property
    def gone(self) -> bool:
        """Whether the trainer has ended or closed the pipe, and all its messages were received."""
        return self._gone

    def receive(self, timeout: float, drain: Drain | None = None) -> list[FromTrainer]:
        """New messages; waits up to `timeout` seconds for one, the trainer's end or `drain`.

        Raises UnreadableMessage.
        """
        wait([self._pipe, self._process.sentinel, *([drain.fileno()] if drain else [])], timeout)
        ended = self._process.exitcode is not None  # checked first: nothing is sent after the end
        messages: list[FromTrainer] = []
        for _ in range(_MAX_READS):
            data = self._read() if self._pipe.poll() else None
            if not data:
                self._gone = ended or data is not None
                break
            messages += self._frames.take(data)
        return messages

    def _read(self) -> bytes:
        """The bytes in the pipe; empty at its end."""
        try:
            return os.read(self._pipe.fileno(), _READ_BYTES)
        except OSError:
            return b""

    def ask_to_stop(self) -> None:
        """Ask the trainer to stop after the current epoch."""
        with suppress(OSError):
            self._pipe.send_bytes(encode(Stop()))

    def terminate(self) -> None:
        """Send SIGTERM to the trainer and the processes it started."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the trainer and the processes it started, and wait for its end."""
        self._signal(signal.SIGKILL)
        self._reap()

    def exit(self) -> AttemptExit:
        """How the process ended; call it once the trainer is gone."""
        self._reap()
        code = self._process.exitcode
        if code is None:
            return AttemptExit(detail="The process could not be killed.")
        return AttemptExit(code=code) if code >= 0 else AttemptExit(signal=-code)

    def _reap(self) -> None:
        """Wait for a process that is about to end; kill it if it does not end."""
        self._process.join(KILL_S)
        if self._process.exitcode is None:
            self._signal(signal.SIGKILL)
            self._process.join(KILL_S)
        if self._process.exitcode is None:
            log.error("trainer_outlives_kill", pid=self._process.pid)

    def _signal(self, number: signal.Signals) -> None:
        pid = self._process.pid
        if pid is None or self._process.exitcode is not None:
            return
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # killed before it had its own process group
            with suppress(ProcessLookupError):
                os.kill(pid, number)
