"""/healthz and /readyz: for whatever runs the service.

Whether the API can do its work.
"""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response

from ridgeline.api.problems import ProblemCode
from ridgeline.spec.schema import Contract
from ridgeline.storage import (
    ArtifactsUnavailable,
    DatabaseUnavailable,
    ForeignStore,
    UnusableArtifactStore,
)
from service.http.answers import json_answer
from service.http.problems import RETRY_AFTER_S, ApiProblem, responses
from service.jobs.dispatch import BrokerUnavailable, NoBroker
from service.services import Parts, PartsDep

router = APIRouter(tags=["operations"])


State = Literal["up", "down"]
BrokerState = Literal["up", "down", "none"]


class Health(Contract):
    """The process answers."""

    status: Literal["ok"]


@router.get("/healthz", response_model=Health, responses=responses())
async def health() -> Response:
    """Say that the process answers, whatever else is down."""
    return json_answer(b'{"status":"ok"}')


class Readiness(Contract):
    """What works and what does not."""

    status: Literal["ready", "degraded", "unavailable"]
    """`degraded`: jobs are taken and wait in the database until the broker is back, and files can
    be had once the artifact store is."""
    database: State
    broker: BrokerState
    """`none`: the service runs without a broker, and workers poll the database for jobs."""
    artifacts: State | Literal["foreign"]
    """`foreign`: the store is not known to belong to the database, so no file is stored there, and
    none deleted."""


@router.get("/readyz", response_model=Readiness, responses=responses(ProblemCode.UNAVAILABLE))
def ready(parts: PartsDep) -> Response:
    """Say whether requests can be served, and which part is down."""
    found = readiness(parts)
    if found.status == "unavailable":
        detail = f"The database is down (broker: {found.broker})."
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers)
    return json_answer(found.model_dump_json())


def readiness(parts: Parts) -> Readiness:
    """Ask database, broker and artifact store for a sign of life."""
    database = _state(parts.database.ping, DatabaseUnavailable)
    broker = _broker(parts)
    artifacts = _artifacts(parts)
    status: Literal["ready", "degraded", "unavailable"] = "ready"
    if broker == "down" or artifacts != "up":
        status = "degraded"
    if database == "down":
        status = "unavailable"
    return Readiness(status=status, database=database, broker=broker, artifacts=artifacts)


def _broker(parts: Parts) -> BrokerState:
    if isinstance(parts.dispatch, NoBroker):
        return "none"
    return _state(parts.dispatch.ping, BrokerUnavailable)


def _artifacts(parts: Parts) -> State | Literal["foreign"]:
    try:
        parts.artifacts.check()
        parts.ownership.confirm()
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
