"""Becomes another program that is killed when its parent dies, however the parent dies.

    python launch.py PARENT_PID PROGRAM ARGUMENT…

Run as a file: it needs nothing but the standard library. Asking the kernel from inside the child
is what makes this safe: code run between fork and exec in a threaded parent may deadlock.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the program."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # KILL, for nobody would be left to insist. The setting outlives exec.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # It died before the kernel was asked.
    os.execv(command[0], command)  # noqa: S606 - the command is made by the caller, not by a user


if __name__ == "__main__":
    main()
