"""What the process may do that looks through a file."""

import ctypes
import math
import resource
import signal
import sys
from typing import NamedTuple

ANSWER_BYTES = 4 * 2**20
"""The longest description of a file."""
_PR_SET_PDEATHSIG = 1
_DESCRIPTORS = 64


class Bounds(NamedTuple):
    """Of one process."""

    memory_bytes: int
    """Its own, the libraries' code not counted."""
    seconds: float
    """Of time; of the processor's as well."""


def keep_within(bounds: Bounds) -> None:
    """Limit this process for good, and have it end with its parent.

    It can open few files, write no more than an answer, and leave no image of its memory behind.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for kind, limit in (
        (resource.RLIMIT_DATA, bounds.memory_bytes),
        (resource.RLIMIT_CPU, math.ceil(bounds.seconds)),
        (resource.RLIMIT_FSIZE, 2 * ANSWER_BYTES),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
