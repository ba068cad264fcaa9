"""What the system holds a trainer to: its memory, and its end."""

import ctypes
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_FIRST_TO_KILL = "1000"
_LAST_WORD_S = 0.5
_LOOK_S = 0.02


def die_with_parent() -> None:
    """Have Linux kill this trainer when the forkserver ends, and let that end with the worker.

    The pipe's end says the same, but not to a process that is stopped or deep in native code.
    """
    # Every child is given what keeps the forkserver alive, to start children of its own with.
    keeps_alive = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)  # noqa: SLF001
    if keeps_alive is not None:
        os.close(keeps_alive)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def outlast_trainers() -> None:
    """In the forkserver, at its end: let trainers end by themselves, with what they have started.

    Those that do not are killed when this process is gone.
    """
    until = time.monotonic() + _LAST_WORD_S
    with suppress(ChildProcessError):  # there are none any more
        while time.monotonic() < until:
            os.waitpid(-1, os.WNOHANG)
            time.sleep(_LOOK_S)


def offer_to_die_first() -> None:
    """When memory runs out, let the kernel take the trainer and spare the worker."""
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_KILL, encoding="ascii")


def limit_memory(limit_bytes: int | None) -> None:
    """Let this process have so many bytes of its own memory, and no more.

    RLIMIT_DATA counts what can be written. RLIMIT_AS would count TensorFlow's libraries as well,
    and the address space that CUDA sets aside, which is larger than the machine.
    """
    if limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
