"""/healthz, /readyz and /workers: for whoever operates the service."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import TypeAdapter

from ridgeline.api.problems import ProblemCode
from ridgeline.api.worker import Worker
from ridgeline.spec.schema import Contract
from ridgeline.storage import (
    ArtifactsUnavailable,
    DatabaseUnavailable,
    ForeignStore,
    UnusableArtifactStore,
    WorkerStore,
)
from service.http.problems import responses, unavailable
from service.http.representations import json_answer
from service.jobs.dispatch import BrokerUnavailable, NoBroker
from service.services import Services, ServicesDep

router = APIRouter(tags=["operations"])
State = Literal["up", "down"]
BrokerState = Literal["up", "down", "none"]
_WORKERS = TypeAdapter(list[Worker])


class Health(Contract):
    """The process answers."""

    status: Literal["ok"]


@router.get("/healthz", response_model=Health, responses=responses())
async def health() -> Response:
    """Check that the process answers, whatever else is down."""
    return json_answer(b'{"status":"ok"}')


class Readiness(Contract):
    """Which parts of the service work."""

    status: Literal["ready", "degraded", "unavailable"]
    """`degraded`: while the broker is down, jobs are accepted but wait in the database; while the
    artifact store is down, files are not available."""
    database: State
    broker: BrokerState
    """`none`: the service runs without a broker, and workers poll the database for jobs."""
    artifacts: State | Literal["foreign"]
    """`foreign`: the store is not known to belong to the database, so no file is stored or deleted
    there."""


@router.get("/readyz", response_model=Readiness, responses=responses(ProblemCode.UNAVAILABLE))
def ready(services: ServicesDep) -> Response:
    """Check whether requests can be served, and which part is down."""
    parts = readiness(services)
    if parts.status == "unavailable":
        raise unavailable(f"The database is down (broker: {parts.broker}). Try again later.")
    return json_answer(parts.model_dump_json())


def readiness(services: Services) -> Readiness:
    """Ping the database, the broker and the artifact store."""
    database = _state(services.database.ping, DatabaseUnavailable)
    broker = _broker(services)
    artifacts = _artifacts(services)
    status: Literal["ready", "degraded", "unavailable"] = "ready"
    if broker == "down" or artifacts != "up":
        status = "degraded"
    if database == "down":
        status = "unavailable"
    return Readiness(status=status, database=database, broker=broker, artifacts=artifacts)


def _broker(services: Services) -> BrokerState:
    if isinstance(services.dispatch, NoBroker):
        return "none"
    return _state(services.dispatch.ping, BrokerUnavailable)


def _artifacts(services: Services) -> State | Literal["foreign"]:
    try:
        services.artifacts.check()
        services.ownership.confirm()
    except ForeignStore:
        return "foreign"
    except (ArtifactsUnavailable, DatabaseUnavailable, UnusableArtifactStore):
        return "down"
    return "up"


def _state(ping: Callable[[], None], error: type[Exception]) -> State:
    try:
        ping()
    except error:
        return "down"
    return "up"


@router.get("/workers", response_model=list[Worker], responses=responses(ProblemCode.UNAVAILABLE))
def list_workers(services: ServicesDep) -> Response:
    """List the workers, newest first, with the jobs they hold."""
    return json_answer(_WORKERS.dump_json(workers(services)))


def workers(services: Services) -> list[Worker]:
    """Every worker that sent a heartbeat within a day, newest first."""
    records = WorkerStore(services.database).list(services.settings.lease_s)
    return [Worker(**vars(record)) for record in records]
