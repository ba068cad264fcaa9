"""What bounds a trainer: its memory limit, the disk space it needs, and its end with the worker."""

import ctypes
import errno
import os
import resource
import shutil
import signal
import sys
import time
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

from ridgeline.api.job import EndCode, EndReason
from ridgeline.planning.disk import disk_need
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec

DISK_FULL = EndReason(
    code=EndCode.NO_SPACE,
    detail="The disk for artifacts is full; free some space and post the job again.",
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PR_SET_PDEATHSIG = 1
_FIRST_TO_KILL = "1000"
_TRAINERS_END_S = 0.5
_POLL_S = 0.02


def die_with_parent() -> None:
    """Have Linux kill this trainer when the forkserver ends, which itself ends with the worker.

    The end of the pipe reports the same, but not to a process that is stopped or in native code.
    """
    # Children inherit the descriptor that keeps the forkserver alive, for starting children of
    # their own.
    keeps_alive = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)  # noqa: SLF001
    if keeps_alive is not None:
        os.close(keeps_alive)
    follow_parent()


def follow_parent() -> None:
    """Have Linux kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def outlast_trainers() -> None:
    """In the forkserver, as it ends: let trainers end by themselves and kill what they started.

    Trainers that are still running when this process ends are killed by Linux.
    """
    until = time.monotonic() + _TRAINERS_END_S
    with suppress(ChildProcessError):  # none left
        while time.monotonic() < until:
            os.waitpid(-1, os.WNOHANG)
            time.sleep(_POLL_S)


def offer_to_die_first() -> None:
    """Make the kernel kill the trainer rather than the worker when memory runs out."""
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_KILL, encoding="ascii")


def limit_memory(limit_bytes: int | None) -> None:
    """Limit this process's private memory.

    RLIMIT_DATA counts writable memory. RLIMIT_AS would also count TensorFlow's libraries and the
    address space that CUDA reserves, which exceeds the machine's memory.
    """
    if limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` means that the disk or a quota on it is full.

    TensorFlow's errors have no errno, only the text.
    """
    return getattr(error, "errno", None) in _FULL or "No space left on device" in str(error)


def lack_of_space(spec: JobSpec, staging: Path, checkpoints: Path) -> EndReason | None:
    """Why training would fill the disk of these folders; None if it fits or cannot be estimated.

    `spec` is resolved. Existing checkpoints count once.
    """
    try:
        need = disk_need(spec)
    except SpecError:  # reported by the trainer
        return None
    existing = sum(path.stat().st_size for path in checkpoints.iterdir() if path.is_file())
    needed = {staging: need.files, checkpoints: max(0, need.checkpoints - existing)}
    if staging.stat().st_dev == checkpoints.stat().st_dev:
        needed = {staging: sum(needed.values())}
    for folder, size in needed.items():
        free = shutil.disk_usage(folder).free
        if free < size:
            return EndReason(code=EndCode.NO_SPACE, detail=_lack(size, free))
    return None


def _lack(needed: int, free: int) -> str:
    return (
        f"The job needs about {_mebibytes(needed)} for files and checkpoints on the disk for"
        f" artifacts, but {_mebibytes(free)} are free; free some space or request fewer outputs,"
        " then post the job again."
    )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
