"""Publishes what an attempt has made."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ridgeline.storage import (
    ArtifactRecord,
    ArtifactStore,
    Claim,
    DatabaseUnavailable,
    LeaseStore,
    artifact_key,
)
from worker.attempt.patience import Patience
from worker.settings import WorkerSettings
from worker.trainer.messages import File, Finished


def publish(
    store: ArtifactStore, claim: Claim, workdir: Path, result: Finished, patience: Patience
) -> list[ArtifactRecord]:
    """Move every file into the store, durably and hashed; raises ArtifactsUnavailable in the end.

    They count from the moment `finish` has written their records, and not before.
    """
    calls = [partial(_published, store, claim, workdir, file) for file in result.files]
    return [patience(call) for call in calls]


@contextmanager
def beating(leases: LeaseStore, claim: Claim, settings: WorkerSettings) -> Iterator[None]:
    """Keep the lease while the block runs: gigabytes take longer to publish than a lease lasts."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(settings.heartbeat_s):
            with suppress(DatabaseUnavailable):
                leases.heartbeat(claim, settings.lease_s)

    thread = threading.Thread(target=beat, name=f"heartbeat-{claim.job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _published(store: ArtifactStore, claim: Claim, workdir: Path, file: File) -> ArtifactRecord:
    key = artifact_key(claim.job_id, claim.fence, file.name)
    stored = store.publish(workdir / file.name, key)
    return ArtifactRecord(
        name=file.name,
        key=stored.key,
        bytes=stored.bytes,
        sha256=stored.sha256,
        media_type=file.media_type,
    )
