"""The processes of bench_train.py: forks of one process that has imported TensorFlow.

Each side has its own, as each job has its own trainer. This module itself imports no TensorFlow.
"""

import importlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import IO, Any, Literal

HEAVY = "benchmarks.training_side"
_STDERR = 2


class Side:
    """A process that trains an epoch on command."""

    def __init__(self, spec: dict[str, Any], rows: int, side: Literal["fit", "ridgeline"]) -> None:
        self._fork = _Fork("serve", json.dumps(spec), rows, side)
        self._fork.receive()
        self.seconds: list[float] = []

    def epoch(self) -> None:
        """Train one epoch."""
        self._fork.pipe.send(None)
        self.seconds.append(self._fork.receive())

    @property
    def median(self) -> float:
        """Seconds of the median epoch."""
        return statistics.median(self.seconds)

    def close(self) -> None:
        """End the process."""
        self._fork.close()


def product_s(rows: int) -> float:
    """Seconds of a product of two square matrices."""
    fork = _Fork("product", rows)
    seconds = fork.receive()
    fork.close()
    return seconds


class _Fork:
    """A process that runs a function of training_side with a pipe."""

    def __init__(self, function: str, *arguments: object) -> None:
        forks, self._log = _forks()
        self.pipe, theirs = forks.Pipe()
        self._process = forks.Process(target=_run, args=(function, theirs, *arguments))
        self._process.start()
        theirs.close()

    def receive(self) -> float:
        try:
            return float(self.pipe.recv())
        except EOFError:
            self._log.seek(0)
            sys.exit(f"a process of the comparison failed:\n{self._log.read()}")

    def close(self) -> None:
        self.pipe.close()
        self._process.join()


@cache
def _forks() -> tuple[ForkServerContext, IO[str]]:
    """What starts forks, and the log of all of them, where TensorFlow writes when imported."""
    log = tempfile.TemporaryFile("r+", encoding="utf-8", errors="replace")  # noqa: SIM115 - kept
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([HEAVY])
    ours = os.dup(_STDERR)
    os.dup2(log.fileno(), _STDERR)
    forkserver.ensure_running()
    os.dup2(ours, _STDERR)
    os.close(ours)
    return context, log


def _run(function: str, pipe: Connection, *arguments: object) -> None:
    getattr(importlib.import_module(HEAVY), function)(pipe, *arguments)
