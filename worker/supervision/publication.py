"""Publishes what an attempt has made."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from ridgeline.api.job import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage import (
    ArtifactRecord,
    ArtifactStore,
    Claim,
    DatabaseUnavailable,
    LeaseStore,
    artifact_key,
)
from worker.settings import WorkerSettings
from worker.supervision.patience import Patience, in_time
from worker.trainer.messages import File, Finished

T = TypeVar("T")


class Unwanted(Exception):
    """The job was cancelled, or taken away, while this worker waited for the artifact store."""


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

    They count from the moment `finish` has written their records, and not before. Raises
    ArtifactsUnavailable when patience ends, or `grace_s` after this worker was told to end, and
    Unwanted.
    """
    records = []
    for file in result.files:
        publish_one = partial(_published, store, claim, workdir, file)
        publish_one = partial(in_time, publish_one, patience.drain, grace_s)
        records.append(patience(partial(if_wanted, unwanted, publish_one)))
        failpoint("attempt.file_published")
    return records


def if_wanted(unwanted: threading.Event, call: Callable[[], T]) -> T:
    """What `call` gives; raises Unwanted instead once that is known."""
    if unwanted.is_set():
        raise Unwanted
    return call()


@contextmanager
def beating(
    leases: LeaseStore, claim: Claim, settings: WorkerSettings
) -> Iterator[threading.Event]:
    """Keep the lease while the block runs: gigabytes take longer to publish than a lease lasts.

    The event that the block is given says that the job is cancelled or lost.
    """
    done, unwanted = threading.Event(), threading.Event()

    def beat() -> None:
        while not done.wait(settings.heartbeat_s):
            with suppress(DatabaseUnavailable):
                answer = leases.heartbeat(claim, settings.lease_s)
                if answer is None or answer.status is JobStatus.CANCELLING:
                    unwanted.set()

    thread = threading.Thread(target=beat, name=f"heartbeat-{claim.job_id}", daemon=True)
    thread.start()
    try:
        yield unwanted
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
        xxh3=stored.xxh3,
        media_type=file.media_type,
    )
