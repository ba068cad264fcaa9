"""A trainer as its supervisor sees it."""

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
from worker.trainer.messages import FromTrainer, Stop, encode
from worker.trainer.stderr import StderrFile

KILL_S = 10.0
_READ_BYTES = 2**16
_MOST_READS = 64
"""Of one turn: a trainer that talks without a pause must neither fill memory nor go unwatched."""

log = structlog.get_logger()


class TrainerProcess:
    """One trainer: started when made; as a context manager, gone when the block ends."""

    def __init__(self, context: ForkServerContext, assignment: Assignment, engine: Engine) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=child.main, args=(theirs, assignment, engine), name="trainer", daemon=True
        )
        self._frames = Frames()
        self._silent = False
        self.stderr = StderrFile(assignment.workdir)
        """What it writes past any logger."""
        with theirs:  # ours must be the only other end: the trainer's death then ends the pipe
            self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()  # one that has said its last word has nothing left to do
        self._pipe.close()

    @property
    def gone(self) -> bool:
        """Whether the trainer has ended, or hung up, and all that it said was received."""
        return self._silent

    def receive(self, timeout: float, drain: Drain | None = None) -> list[FromTrainer]:
        """What the trainer has said; waits for it, its end or `drain`, up to `timeout` seconds.

        Raises UnreadableMessage for what is no message.
        """
        wait([self._pipe, self._process.sentinel, *([drain.fileno()] if drain else [])], timeout)
        ended = self._process.exitcode is not None  # asked first: nothing is said after the end
        messages: list[FromTrainer] = []
        for _ in range(_MOST_READS):
            data = self._read() if self._pipe.poll() else None
            if not data:
                self._silent = ended or data is not None
                break
            messages += self._frames.take(data)
        return messages

    def _read(self) -> bytes:
        """What lies in the pipe; nothing at its end."""
        try:
            return os.read(self._pipe.fileno(), _READ_BYTES)
        except OSError:
            return b""

    def ask_to_stop(self) -> None:
        """Tell the trainer to end after the present epoch."""
        with suppress(OSError):
            self._pipe.send_bytes(encode(Stop()))

    def terminate(self) -> None:
        """Send SIGTERM to the trainer and what it started."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the trainer and what it started, and wait for the end."""
        self._signal(signal.SIGKILL)
        self._reap()

    def exit(self) -> AttemptExit:
        """How the process ended; call it when the trainer is gone."""
        self._reap()
        code = self._process.exitcode
        if code is None:
            return AttemptExit(detail="The process could not be ended.")
        return AttemptExit(code=code) if code >= 0 else AttemptExit(signal=-code)

    def _reap(self) -> None:
        """Wait for a process that is about to end; kill it if it is not."""
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
        except ProcessLookupError:  # killed before it had a group of its own
            with suppress(ProcessLookupError):
                os.kill(pid, number)
