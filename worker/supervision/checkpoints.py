"""Copies an attempt's checkpoints to where they outlive this machine, while it trains."""

import threading
from typing import Self

import structlog

from ridgeline.storage import AttemptCheckpoints, StorageError
from worker.drain import Drain
from worker.supervision.patience import wait_for

INTERVAL_S = 1.0
"""How often the folder is looked at: a checkpoint has its name once it is whole."""
_LET_GO_S = 1.0

log = structlog.get_logger()


class Saving:
    """A thread of its own, so that heartbeats go on; none where the folder is shared anyway.

    A copy that fails is made at a later turn, of what is the newest checkpoint then.
    """

    def __init__(self, checkpoints: AttemptCheckpoints, interval_s: float = INTERVAL_S) -> None:
        self._checkpoints = checkpoints
        self._interval_s = interval_s
        self._last = threading.Event()
        self._dropped = threading.Event()
        self._away = False
        # The thread goes on with the attempt's log tags.
        self._tags = structlog.contextvars.get_contextvars()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def __enter__(self) -> Self:
        if not self._checkpoints.shared:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._dropped.set()
        self._last.set()
        if not self._checkpoints.shared:
            self._thread.join(_LET_GO_S)  # a request that hangs is left behind: it can do no harm

    def finish(
        self, drain: Drain, seconds: float, grace_s: float, unwanted: threading.Event | None = None
    ) -> None:
        """Copy what the trainer, which has ended, wrote last.

        Gives up after `seconds`, `grace_s` after this worker was told to shut down, or once it is
        `unwanted`.
        """
        if self._checkpoints.shared:
            return
        self._last.set()
        wait_for(self._thread, drain, grace_s, seconds, unwanted)
        if self._thread.is_alive():
            log.warning("last_checkpoint_not_saved")

    def _run(self) -> None:
        structlog.contextvars.bind_contextvars(**self._tags)
        while True:
            last = self._last.wait(self._interval_s)
            if self._dropped.is_set():
                return
            saved = self._save()
            if last and (saved or self._dropped.wait(self._interval_s)):
                return

    def _save(self) -> bool:
        try:
            self._checkpoints.save()
        except (OSError, StorageError) as error:
            if not self._away:
                log.warning("checkpoint_not_saved", because=str(error))
            self._away = True
            return False
        self._away = False
        return True
