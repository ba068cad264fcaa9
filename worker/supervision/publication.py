"""Stores an attempt's files: checkpoints while it trains, and its results when it has succeeded."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from ridgeline.failpoints import failpoint
from ridgeline.storage import (
    ArtifactRecord,
    ArtifactStore,
    AttemptCheckpoints,
    Claim,
    StorageError,
    artifact_key,
)
from worker.drain import Drain
from worker.supervision.outages import Patience, if_wanted, in_time, wait_for
from worker.trainer.messages import File, Finished

INTERVAL_S = 1.0
"""How often the folder is checked; a checkpoint gets its final name once it is complete."""
_JOIN_S = 1.0

log = structlog.get_logger()


def publish(
    store: ArtifactStore,
    claim: Claim,
    workdir: Path,
    result: Finished,
    patience: Patience,
    unwanted: threading.Event,
    grace_s: float,
) -> list[ArtifactRecord]:
    """Move every file into the store, durably and hashed.

    The files only count once `LeaseStore.finish` has written the returned records.

    Raises:
        ArtifactsUnavailable: If patience ends, or `grace_s` after the shutdown started.
        Unwanted: If the job was cancelled or lost meanwhile.
    """
    records = []
    for file in result.files:
        publish_one = partial(_publish_one, store, claim, workdir, file)
        publish_one = partial(in_time, publish_one, patience.drain, grace_s)
        records.append(patience(partial(if_wanted, unwanted, publish_one)))
        failpoint("attempt.file_published")
    return records


def _publish_one(store: ArtifactStore, claim: Claim, workdir: Path, file: File) -> ArtifactRecord:
    key = artifact_key(claim.job_id, claim.fence, file.name)
    stored = store.publish(workdir / file.name, key)
    return ArtifactRecord(
        name=file.name,
        key=stored.key,
        bytes=stored.bytes,
        sha256=stored.sha256,
        xxh3=stored.xxh3,
        media_type=file.media_type,
    )


class CheckpointMirror:
    """Copies checkpoints off this machine in its own thread, so that heartbeats continue.

    Where the folder is shared, nothing is copied. `record` gets the epoch of each checkpoint that
    is safe. A failed copy is retried in a later turn, with the checkpoint that is the newest then.
    """

    def __init__(
        self,
        checkpoints: AttemptCheckpoints,
        record: Callable[[int], object],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._checkpoints = checkpoints
        self._record = record
        self._recorded = 0
        self._interval_s = interval_s
        self._last = threading.Event()
        self._dropped = threading.Event()
        self._failing = False
        # The thread inherits the attempt's log tags.
        self._tags = structlog.contextvars.get_contextvars()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._dropped.set()
        self._last.set()
        self._thread.join(_JOIN_S)  # a request that hangs is abandoned; it can do no harm

    def finish(
        self, drain: Drain, seconds: float, grace_s: float, unwanted: threading.Event | None = None
    ) -> None:
        """Copy the last checkpoint of a trainer that has ended.

        Gives up after `seconds`, `grace_s` after the shutdown started, or once `unwanted` is set.
        """
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
            self._record_saved()
            if last and (saved or self._dropped.wait(self._interval_s)):
                return

    def _record_saved(self) -> None:
        """Record the newest checkpoint; without the database, the next turn or attempt does."""
        with suppress(OSError, StorageError):
            epoch = self._checkpoints.saved_epoch()
            if epoch != self._recorded:
                self._record(epoch)
                self._recorded = epoch

    def _save(self) -> bool:
        try:
            self._checkpoints.save()
        except (OSError, StorageError) as error:
            if not self._failing:
                log.warning("checkpoint_not_saved", because=str(error))
            self._failing = True
            return False
        self._failing = False
        return True
