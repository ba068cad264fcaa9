"""Decides when a checkpoint is written, and lets training go on when it cannot be."""

import time

import structlog

from worker.engine.checkpoint.store import Checkpoint, CheckpointStore

log = structlog.get_logger()


class Keeper:
    """Writes to a store, if there is one, at most once in `interval_s` seconds."""

    def __init__(self, store: CheckpointStore | None, interval_s: float) -> None:
        self._store = store
        self._interval_s = interval_s
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the interval has passed since the last checkpoint."""
        return self._store is not None and time.monotonic() - self._last >= self._interval_s

    def newest(self) -> Checkpoint | None:
        """What an earlier attempt has left."""
        return self._store.newest() if self._store is not None else None

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint. A full disk costs the checkpoint, not the training."""
        if self._store is None:
            return
        try:
            self._store.write(checkpoint)
        except OSError as error:
            log.warning("checkpoint_not_written", epoch=checkpoint.epoch, because=str(error))
        self._last = time.monotonic()
