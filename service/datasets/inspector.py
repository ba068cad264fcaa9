"""Starts the processes that inspect files, and reads their results."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import service
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.faults import Fault
from service.datasets.inspector_child import ANSWER_BYTES, Bounds
from service.errors import ServiceError, Stopping, UnusableFile

AT_ONCE = 2
"""Files that are inspected at the same time; others wait."""
_ROOT = str(Path(service.__file__).parents[1])
_ENVIRONMENT = {
    "PYTHONPATH": _ROOT,
    "PYTHONUTF8": "1",
    # One thread each: decompressors and parsers on every core would slow requests down.
    "OMP_NUM_THREADS": "1",
    "ARROW_IO_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_LOGGED = 2000
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")

logger = logging.getLogger(__name__)


class Inspector:
    """Inspects files, which may be hostile, each in its own process that sees no credentials."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._threads = ThreadPoolExecutor(AT_ONCE, "inspector")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    async def inspect(self, path: Path, format_: DatasetFormat | None) -> dict[str, Any]:
        """The contents of a file: a DatasetContents as JSON values.

        Raises UnusableFile with the file's faults, and Stopping.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._inspect, path, format_)

    def close(self) -> None:
        """Kill running inspections; their requests get Stopping."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()
        self._threads.shutdown(cancel_futures=True)

    def _inspect(self, path: Path, format_: DatasetFormat | None) -> dict[str, Any]:
        # A file, not a pipe: its size can be limited.
        with TemporaryFile() as answer, TemporaryFile() as errors:
            code = self._run(path, format_, answer, errors)
            result = _result(answer) if code == 0 else None
            if result is None:
                raise self._failure(code, errors)
        if "faults" in result:
            raise UnusableFile([Fault(**fault) for fault in result["faults"]])
        contents: dict[str, Any] = result["contents"]
        return contents

    def _run(
        self, path: Path, format_: DatasetFormat | None, answer: IO[bytes], errors: IO[bytes]
    ) -> int | None:
        """Run a process to its end. Returns its exit code, None where it took too long."""
        arguments = (str(path), format_ or "", *map(str, self._bounds))
        command = [sys.executable, "-m", "service.datasets.inspector_child", *arguments]
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with self._lock:
            if self._closed:
                raise Stopping
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=passed_on | _ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=errors,
            )
            self._running.add(process)
        try:
            return process.wait(self._bounds.seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.kill()
            process.wait()
            with self._lock:
                self._running.discard(process)

    def _failure(self, code: int | None, errors: IO[bytes]) -> ServiceError:
        if self._closed:
            return Stopping()
        errors.seek(0)
        tail = errors.read()[-_LOGGED:].decode("utf-8", "replace")
        logger.warning("a file could not be inspected; exit code %s: %s", code, tail)
        if code in (None, -signal.SIGXCPU):
            detail = f"inspecting it took more than {self._bounds.seconds:g} s; shorten the file"
            return UnusableFile([Fault(pointer="", detail=detail, rule="too-slow")])
        memory = f"{self._bounds.memory_bytes / 2**20:,.0f} MiB"
        detail = (
            f"it crashes the library that reads its format, or needs more than {memory} to inspect;"
            " write it again with smaller cells, row groups or images"
        )
        return UnusableFile([Fault(pointer="", detail=detail, rule="damaged")])


def _result(answer: IO[bytes]) -> dict[str, Any] | None:
    """The process's output; None where it is incomplete."""
    answer.seek(0)
    try:
        result: dict[str, Any] = json.loads(answer.read(2 * ANSWER_BYTES))
    except ValueError:
        return None
    return result
