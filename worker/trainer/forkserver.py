"""The forkserver: it has imported the engine, and forks trainers from itself in milliseconds."""

import atexit
import gc
import importlib
import json
import multiprocessing
import os
import sys
from collections.abc import MutableMapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

from ridgeline import failpoints
from worker.trainer.limits import outlast_trainers
from worker.trainer.logs import configure_logs

PRELOAD = ("worker.trainer.preloaded",)
ENGINE = ("worker.trainer.child", "worker.engine.devices", "worker.engine.train")
#: The variables that a trainer may see; all others are removed, credentials above all.
ALLOWED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", failpoints.VARIABLE}
)
ALLOWED_PREFIXES = (
    *("LC_", "LD_", "DYLD_", "PYTHON", "MALLOC_"),
    *("TF_", "XLA_", "KERAS_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "KMP_"),
)
_IMPORT_S = 120.0
_ROOT = Path(__file__).resolve().parents[2]


class ForkserverError(Exception):
    """The forkserver did not start."""


class Forkserver:
    """This process's only forkserver; it starts to import `preload` at once.

    Remove credentials from os.environ first. If the forkserver dies, starting the next trainer
    restarts it.
    """

    def __init__(self, preload: Sequence[str] = PRELOAD) -> None:
        self._preload = list(preload)
        self.context = multiprocessing.get_context("forkserver")
        """Starts processes forked from it."""
        self.context.set_forkserver_preload(self._preload)
        _keep_import_path()
        forkserver.ensure_running()

    def wait_until_warm(self) -> None:
        """Return once the forkserver has imported everything; raises ForkserverError.

        The forkserver itself ignores failed imports, so a process forked from it reports them.
        """
        ours, theirs = self.context.Pipe(duplex=False)
        probe = self.context.Process(
            target=_report_missing, args=(theirs, self._preload), daemon=True
        )
        with ours:
            try:
                with theirs:
                    probe.start()
                missing = json.loads(ours.recv_bytes()) if ours.poll(_IMPORT_S) else None
            except (EOFError, OSError) as error:
                raise ForkserverError("The forkserver died; see its traceback above.") from error
        if missing is None:
            raise ForkserverError(f"The forkserver did not respond within {_IMPORT_S:g} s.")
        if missing:
            raise ForkserverError(
                f"The forkserver cannot import {', '.join(missing)}; is the `worker` extra"
                " installed?"
            )
        probe.join(_IMPORT_S)


def _report_missing(pipe: Connection, names: list[str]) -> None:
    """In the probe: send the names of the modules that the forkserver has not imported."""
    pipe.send_bytes(json.dumps([name for name in names if name not in sys.modules]).encode())


def _keep_import_path() -> None:
    """Make this package importable in the forkserver: before Python 3.13 it ignores sys.path."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(_ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, paths)])


def preload(modules: Sequence[str] = ENGINE) -> None:
    """In the forkserver: import `modules`, which contain the engine, for all trainers.

    Nothing here may touch a device or start a thread: neither survives the fork.
    """
    scrub(os.environ)
    atexit.register(outlast_trainers)
    configure_logs()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Arrow's own allocator reserves a GiB at once, which counts toward a trainer's limit.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    for name in modules:
        importlib.import_module(name)
    # A collection in a trainer would traverse all imported objects and, as that writes to them,
    # copy their pages: 0.2 s of a job that takes one.
    gc.collect()
    gc.freeze()


def scrub(environment: MutableMapping[str, str]) -> None:
    """Remove every variable that a trainer does not need."""
    for name in list(environment):
        if name not in ALLOWED and not name.startswith(ALLOWED_PREFIXES):
            del environment[name]
