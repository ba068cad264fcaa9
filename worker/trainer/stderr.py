"""What a trainer writes past any logger: native libraries, and the last words of a crash."""

import faulthandler
import os
import re
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 2**20
"""About how long the file may become before it is begun again."""
TAIL_BYTES = 4 * 2**10
_READ_BYTES = 16 * 2**10
"""What is read of its end: the list of extension modules behind a crash takes 6 KiB of it."""
_NAME = "stderr.log"
_NO_DRIVER = re.compile(rb"^.*failed call to cuInit: .*\(303\)\n?", re.MULTILINE)
"""TensorFlow's word on a machine without CUDA's driver: it would pass for the cause of a crash."""
_MODULES = re.compile(rb"^Extension modules: .*\n?", re.MULTILINE)
"""The last line of faulthandler's, which says nothing of the crash."""


def redirect(workdir: Path) -> None:
    """Send this process's standard error to a file in `workdir`, and say there where it crashes."""
    with suppress(OSError):  # a full disk, say: then it goes on to where it went
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(workdir / _NAME, flags, 0o600)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    faulthandler.enable(2, all_threads=False)


class StderrFile:
    """That file as the supervisor sees it."""

    def __init__(self, workdir: Path) -> None:
        self._path = workdir / _NAME
        self._before = b""

    def keep_short(self) -> None:
        """Begin the file again if it has become long."""
        with suppress(OSError):
            if self._path.stat().st_size > MAX_BYTES:
                self._before = self._end()
                os.truncate(self._path, 0)

    def last_words(self) -> str:
        """The last of what was written; the file is removed, for the trainer is gone."""
        written = self._before
        with suppress(OSError):
            written += self._end()
            self._path.unlink()
        words = _MODULES.sub(b"", _NO_DRIVER.sub(b"", written))[-TAIL_BYTES:]
        return words.decode("utf-8", "replace").strip()

    def _end(self) -> bytes:
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - _READ_BYTES))
            return file.read(_READ_BYTES)
