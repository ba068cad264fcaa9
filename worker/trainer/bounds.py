"""What the system holds a trainer to: its memory, and its end."""

import ctypes
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_FIRST_TO_KILL = "1000"


def die_with_parent() -> None:
    """Have Linux kill this process when the forkserver ends, as it does with its worker.

    The pipe's end says the same, but not to a process that is stopped or deep in native code.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


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
