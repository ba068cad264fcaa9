"""The forkserver: it has imported the engine, and forks trainers from itself in milliseconds."""

import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

PRELOAD = ("worker.trainer.preloaded",)
_IMPORT_S = 120.0
_ROOT = Path(__file__).resolve().parents[2]


class ForkserverError(Exception):
    """The forkserver did not come up."""


class Forkserver:
    """This process's forkserver, of which there is one; it imports `preload` from its start on.

    Credentials must have gone from os.environ before. Should it die, the next start of a trainer
    brings it back.
    """

    def __init__(self, preload: Sequence[str] = PRELOAD) -> None:
        self._preload = list(preload)
        self.context = multiprocessing.get_context("forkserver")
        """What starts processes forked from it."""
        self.context.set_forkserver_preload(self._preload)
        _keep_import_path()
        forkserver.ensure_running()

    def wait_until_warm(self) -> None:
        """Return once the forkserver has imported everything; raises ForkserverError.

        A process forked from it tells: it passes over a failed import in silence.
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
            raise ForkserverError(f"The forkserver did not answer within {_IMPORT_S:g} s.")
        if missing:
            raise ForkserverError(
                f"The forkserver cannot import {', '.join(missing)}; is the `worker` extra"
                " installed?"
            )
        probe.join(_IMPORT_S)


def _report_missing(pipe: Connection, names: list[str]) -> None:
    """In the probe: say which modules the forkserver had not imported."""
    pipe.send_bytes(json.dumps([name for name in names if name not in sys.modules]).encode())


def _keep_import_path() -> None:
    """Let the forkserver find this package: before Python 3.13 it does not take over sys.path."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(_ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, paths)])
