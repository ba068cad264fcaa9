"""Starts the processes that look through files, and reads what they say."""

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
from ridgeline.api.problems import ProblemCode
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.faults import Fault
from service.datasets.inspection.bounds import ANSWER_BYTES, Bounds
from service.http.problems import ApiProblem

AT_ONCE = 2
"""Files that are looked through at once; others wait."""
_ROOT = str(Path(service.__file__).parents[1])
_ENVIRONMENT = {
    "PYTHONPATH": _ROOT,
    "PYTHONUTF8": "1",
    # One thread each: a decompressor or a parser on every core would take them from requests.
    "OMP_NUM_THREADS": "1",
    "ARROW_IO_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_LOGGED = 2000
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")

logger = logging.getLogger(__name__)


class Inspector:
    """Looks through files, each in a process of its own that sees no credentials."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._threads = ThreadPoolExecutor(AT_ONCE, "inspector")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    async def inspect(self, path: Path, format_: DatasetFormat | None) -> dict[str, Any]:
        """What is in the file: a DatasetContents as JSON's values.

        Raises ApiProblem (unusable-dataset) with what is wrong with it.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._inspect, path, format_)

    def close(self) -> None:
        """Kill what is running: whoever waits for it is told nothing."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()
        self._threads.shutdown(cancel_futures=True)

    def _inspect(self, path: Path, format_: DatasetFormat | None) -> dict[str, Any]:
        # A file and no pipe: its size can be limited.
        with TemporaryFile() as answer, TemporaryFile() as errors:
            code = self._run(path, format_, answer, errors)
            told = _told(answer) if code == 0 else None
            if told is None:
                raise self._refusal(code, errors)
        if "faults" in told:
            raise unusable([Fault(**each) for each in told["faults"]])
        contents: dict[str, Any] = told["contents"]
        return contents

    def _run(
        self, path: Path, format_: DatasetFormat | None, answer: IO[bytes], errors: IO[bytes]
    ) -> int | None:
        """Run a process to its end; its exit code, None where it took too long."""
        arguments = (str(path), format_ or "", *(str(each) for each in self._bounds))
        command = [sys.executable, "-m", "service.datasets.inspection", *arguments]
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with self._lock:
            if self._closed:
                raise ApiProblem(ProblemCode.UNAVAILABLE, "The service is stopping.")
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

    def _refusal(self, code: int | None, errors: IO[bytes]) -> ApiProblem:
        if self._closed:
            return ApiProblem(ProblemCode.UNAVAILABLE, "The service is stopping; send it again.")
        errors.seek(0)
        tail = errors.read()[-_LOGGED:].decode("utf-8", "replace")
        logger.warning("a file could not be looked through; exit code %s: %s", code, tail)
        if code in (None, -signal.SIGXCPU):
            detail = f"looking through it took more than {self._bounds.seconds:g} s; shorten it"
            return unusable([Fault(pointer="", detail=detail, rule="too-slow")])
        memory = f"{self._bounds.memory_bytes / 2**20:,.0f} MiB"
        detail = (
            "it breaks the library that reads its format, or takes more memory to be looked at than"
            f" {memory}; write it anew, with smaller cells, row groups or images"
        )
        return unusable([Fault(pointer="", detail=detail, rule="damaged")])


def unusable(faults: list[Fault]) -> ApiProblem:
    """Make the answer to a file with `faults`."""
    plural = "fault" if len(faults) == 1 else "faults"
    detail = f"{len(faults)} {plural} in the file; nothing of it was stored."
    return ApiProblem(ProblemCode.UNUSABLE_DATASET, detail, errors=faults)


def _told(answer: IO[bytes]) -> dict[str, Any] | None:
    """What the process says, if it is whole."""
    answer.seek(0)
    try:
        found: dict[str, Any] = json.loads(answer.read(2 * ANSWER_BYTES))
    except ValueError:
        return None
    return found
