"""The worker's program: puts the parts together and runs until it is told to end."""

import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import nullcontext

import structlog
from celery import Celery, signals
from celery.worker import state
from pydantic import ValidationError

from ridgeline.storage import (
    ArtifactStore,
    ArtifactsUnavailable,
    Database,
    DatabaseUnavailable,
    JobStore,
    LeaseStore,
    NewWorker,
    TrackingStore,
    UnusableArtifactStore,
    UnusableDatabaseUrl,
    WorkerStore,
    open_artifacts,
)
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.bucket import Bucket
from ridgeline.storage.files.datasets import DatasetFiles, DatasetStore, open_datasets
from ridgeline.storage.ownership import Ownership, Place
from ridgeline.storage.records.outbox import TRAIN_QUEUE
from ridgeline.version import VERSION
from worker.broker.app import add_train_task, create_app
from worker.drain import Drain
from worker.inputs.mirror import Mirror
from worker.inputs.stored_datasets import Uploads
from worker.logs import configure_logs
from worker.presence import Presence
from worker.settings import WorkerSettings, forget_credentials, hide_first_environment
from worker.slots.dispatcher import Dispatcher
from worker.slots.own_store import OwnStore
from worker.slots.slots import SlotPool, find_slots
from worker.supervision.journal import keep_line
from worker.supervision.redaction import Redaction
from worker.supervision.scratch import clear_scratch
from worker.supervision.supervisor import Supervisor
from worker.tracking import Tracking
from worker.trainer.child import Engine, keras_engine
from worker.trainer.forkserver import PRELOAD, Forkserver, ForkserverError

_CANNOT_START = (ValidationError, UnusableArtifactStore, UnusableDatabaseUrl, ForkserverError)

log = structlog.get_logger()


def run(engine: Engine = keras_engine, preload: Sequence[str] = PRELOAD) -> int:
    """Take jobs until SIGTERM or Ctrl-C; returns the exit code.

    `engine` trains in processes that have imported the modules `preload`. Nothing but a program of
    its own can choose others than Ridgeline's: no setting does.
    """
    configure_logs(keep_line)
    try:
        settings = WorkerSettings()
        artifacts = open_artifacts(settings.artifacts_url, settings.artifacts_dir)
        mirror = Mirror(Bucket(settings.datasets_url)) if settings.datasets_url else None
        files = open_datasets(settings)
        forget_credentials()
        hide_first_environment()
        return _run(settings, artifacts, mirror, files, engine, preload)
    except _CANNOT_START as error:
        log.error("worker_cannot_start", because=str(error))  # noqa: TRY400 - the message suffices
        return os.EX_CONFIG


def _run(
    settings: WorkerSettings,
    artifacts: ArtifactStore,
    mirror: Mirror | None,
    files: DatasetFiles,
    engine: Engine,
    preload: Sequence[str],
) -> int:
    database = Database(settings.database_url.get_secret_value())
    ownership = _ownership(database, artifacts, files)
    forkserver = Forkserver(preload)  # imports TensorFlow while the rest is put together
    drain = Drain()
    slots = SlotPool(find_slots(settings.worker_concurrency))
    jobs = JobStore(database)
    clear_scratch(jobs, artifacts, files, settings, drain, ownership)
    me = _me(slots)
    tracking = _tracking(settings, database, me.id)
    experiment = settings.mlflow_experiment if tracking else None
    supervisor = Supervisor(
        leases=LeaseStore(database, crash_cap=settings.crash_cap, experiment=experiment),
        artifacts=artifacts,
        mirror=mirror,
        uploads=Uploads(DatasetStore(database), files),
        settings=settings,
        drain=drain,
        context=forkserver.context,
        engine=engine,
        owner=me.id,
    )
    attempts = OwnStore(supervisor, ownership, drain, _tell_to_end)
    dispatcher = Dispatcher(attempts, slots, drain, settings.poll_interval_s)
    app = create_app(settings, slots)
    add_train_task(app, dispatcher)
    presence = Presence(WorkerStore(database), me, drain, settings.heartbeat_s)
    with presence, tracking or nullcontext():
        forkserver.wait_until_warm()
        log.info("trainers_warm", slots=slots.size)
        presence.ready()
        _drain_on_signals(drain)
        dispatcher.start()
        exit_code = os.EX_OK if drain.started else _consume(app, drain, slots.size)
        drain.start()  # Celery may end for a reason of its own
        dispatcher.join()
    return os.EX_CONFIG if attempts.foreign else exit_code


def _me(slots: SlotPool) -> NewWorker:
    """What this process is registered as; no other has had its id."""
    return NewWorker(
        id=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        host=socket.gethostname(),
        pid=os.getpid(),
        slots=slots.names,
        version=VERSION,
    )


def _ownership(database: Database, artifacts: ArtifactStore, files: DatasetFiles) -> Ownership:
    """What compares database and store; waits for nothing.

    Raises UnusableArtifactStore where nothing could ever be published. Beside a bucket the folder
    of this machine is compared too: it may be another database's store.
    """
    places = [Place(artifacts, files)]
    if isinstance(artifacts, ObjectArtifacts):
        places.append(Place(artifacts.scratch))
    ownership = Ownership(database, *places)
    try:
        artifacts.check()  # a store that hangs costs seconds here, and minutes in compare()
        ownership.compare()
    except (ArtifactsUnavailable, DatabaseUnavailable) as error:
        log.warning("store_not_compared", because=str(error))
    return ownership


def _tracking(settings: WorkerSettings, database: Database, holder: str) -> Tracking | None:
    if settings.mlflow_url is None:
        return None
    return Tracking(
        JobStore(database),
        TrackingStore(database, holder, settings.lease_s),
        settings.mlflow_url.get_secret_value(),
        settings.mlflow_experiment,
        redact=Redaction(settings),
    )


def _tell_to_end() -> None:
    """Do what an operator does: Celery, if it has begun, ends by its signals."""
    os.kill(os.getpid(), signal.SIGTERM)


def _drain_on_signals(drain: Drain) -> None:
    """Heed signals while Celery does not yet: they would kill a worker that has jobs already."""

    def start_drain(*_: object) -> None:
        # Celery may be about to begin, and looks at this.
        state.should_stop = os.EX_OK  # type: ignore[assignment]  # not in the stubs
        drain.start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, start_drain)


def _consume(app: Celery, drain: Drain, concurrency: int) -> int:
    """Run Celery's consumer, which logs "ready." once it takes jobs."""

    def start_drain(**_: object) -> None:
        drain.start()

    def keep_our_logs(**_: object) -> None:
        """Being connected is enough: Celery then leaves logging alone."""

    signals.worker_shutting_down.connect(start_drain)
    signals.setup_logging.connect(keep_our_logs)
    worker = app.Worker(
        concurrency=concurrency,
        queues=[TRAIN_QUEUE],
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    # Otherwise SIGHUP would start the program anew, which has forgotten its credentials.
    worker._isatty = True  # type: ignore[attr-defined]  # noqa: SLF001
    worker.start()
    sys.stderr.flush()
    return int(worker.exitcode or os.EX_OK)
