"""Becomes another program, which the kernel kills when its parent dies in any way.

    python launch.py PARENT_PID PROGRAM ARGUMENT…

Run as a file: it needs only the standard library. The request to the kernel comes from inside the
child, because code that runs between fork and exec of a threaded parent may deadlock.
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
        # SIGKILL, because no process would be left to send it later. The setting survives exec.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # The parent died before the request.
    os.execv(command[0], command)  # noqa: S606 - the command comes from our own code


if __name__ == "__main__":
    main()
