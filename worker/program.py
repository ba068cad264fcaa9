"""The worker's program: assembles the parts and runs until it is stopped."""

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
from ridgeline.storage.ownership import Ownership, StoreLocation
from ridgeline.storage.records.outbox import TRAIN_QUEUE
from ridgeline.version import VERSION
from worker.broker.app import add_train_task, create_app
from worker.drain import Drain
from worker.inputs.fetch import Mirror, StoredDatasets
from worker.presence import Presence
from worker.settings import WorkerSettings, forget_credentials, hide_first_environment
from worker.slots.dispatcher import Dispatcher
from worker.slots.slots import SlotPool, find_slots
from worker.supervision.journal import Redaction, keep_line
from worker.supervision.stores import OwnStore, clear_scratch
from worker.supervision.supervisor import Supervisor
from worker.tracking.loop import Tracking
from worker.trainer.child import Engine, keras_engine
from worker.trainer.forkserver import PRELOAD, Forkserver, ForkserverError
from worker.trainer.logs import configure_logs

WATCH_S = 0.5
"""How often a worker without a broker looks for queued jobs."""
_CANNOT_START = (ValidationError, UnusableArtifactStore, UnusableDatabaseUrl, ForkserverError)

log = structlog.get_logger()


def run(engine: Engine = keras_engine, preload: Sequence[str] = PRELOAD) -> int:
    """Run jobs until SIGTERM or Ctrl-C; return the exit code.

    `engine` trains in processes forked from one that has imported the modules in `preload`. No
    setting changes these two; only another program can.
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
    forkserver = Forkserver(preload)  # imports TensorFlow while the rest is assembled
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
        stored_datasets=StoredDatasets(DatasetStore(database), files),
        settings=settings,
        drain=drain,
        context=forkserver.context,
        engine=engine,
        owner=me.id,
    )
    attempts = OwnStore(supervisor, ownership, drain, _terminate)
    dispatcher = Dispatcher(attempts, slots, drain, settings.poll_interval_s)
    presence = Presence(WorkerStore(database), me, drain, settings.heartbeat_s)
    with presence, tracking or nullcontext():
        forkserver.wait_until_warm()
        log.info("trainers_warm", slots=slots.size)
        presence.ready()
        _drain_on_signals(drain)
        dispatcher.start()
        exit_code = os.EX_OK
        if settings.redis_url is None:
            log.info("no_broker")
            _watch_queue(supervisor.leases, slots, dispatcher, drain)
        elif not drain.started:
            app = create_app(settings.redis_url.get_secret_value(), slots)
            add_train_task(app, dispatcher)
            exit_code = _consume(app, drain, slots.size)
        drain.start()  # Celery may have ended for another reason
        dispatcher.join()
    return os.EX_CONFIG if attempts.foreign else exit_code


def _me(slots: SlotPool) -> NewWorker:
    """How this process is registered; its id is never reused."""
    return NewWorker(
        id=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        host=socket.gethostname(),
        pid=os.getpid(),
        slots=slots.names,
        version=VERSION,
    )


def _ownership(database: Database, artifacts: ArtifactStore, files: DatasetFiles) -> Ownership:
    """Compare the database with the stores without waiting for either.

    With a bucket, this machine's folder is compared too: it may be another database's store.
    Raises UnusableArtifactStore if nothing could ever be published.
    """
    places = [StoreLocation(artifacts, files)]
    if isinstance(artifacts, ObjectArtifacts):
        places.append(StoreLocation(artifacts.scratch))
    ownership = Ownership(database, *places)
    try:
        artifacts.check()  # a store that hangs costs seconds here, minutes in compare()
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


def _terminate() -> None:
    """Send this process SIGTERM, as an operator would; Celery, once running, handles it."""
    os.kill(os.getpid(), signal.SIGTERM)


def _drain_on_signals(drain: Drain) -> None:
    """Handle signals until Celery does: by default they would kill a worker that runs jobs."""

    def start_drain(*_: object) -> None:
        # Celery checks this as it starts.
        state.should_stop = os.EX_OK  # type: ignore[assignment]  # not in the stubs
        drain.start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, start_drain)


def _watch_queue(leases: LeaseStore, slots: SlotPool, dispatcher: Dispatcher, drain: Drain) -> None:
    """Do what the broker does where there is none: wake the dispatcher when a job is queued.

    That is cheaper than frequent polls of the dispatcher, which look at the GPUs first.
    """
    while not drain.wait(WATCH_S):
        try:
            if slots.for_hints and leases.any_claimable():
                dispatcher.wake()
        except DatabaseUnavailable:  # the dispatcher's next poll reports it
            continue
        except Exception:
            log.exception("poll_failed")


def _consume(app: Celery, drain: Drain, concurrency: int) -> int:
    """Run Celery's consumer, which logs "ready." once it accepts hints; return its exit code."""

    def start_drain(**_: object) -> None:
        drain.start()

    def keep_our_logs(**_: object) -> None:
        """Do nothing: a connected receiver is enough for Celery to leave logging alone."""

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
    # Otherwise SIGHUP would restart the program, whose environment has lost its credentials.
    worker._isatty = True  # type: ignore[attr-defined]  # noqa: SLF001
    worker.start()
    sys.stderr.flush()
    return int(worker.exitcode or os.EX_OK)
