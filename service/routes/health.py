"""/healthz and /readyz: for whatever runs the service."""

from typing import Literal

from fastapi import APIRouter, Response

from ridgeline.contract.problems import ProblemCode
from ridgeline.contract.schema import Contract
from service.deps import PartsDep
from service.http.answers import json_answer
from service.http.problems import RETRY_AFTER_S, ApiProblem, responses
from service.operations.health import Readiness, readiness

router = APIRouter(tags=["operations"])


class Health(Contract):
    """The process answers."""

    status: Literal["ok"]


@router.get("/healthz", response_model=Health, responses=responses())
async def health() -> Response:
    """Say that the process answers, whatever else is down."""
    return json_answer(b'{"status":"ok"}')


@router.get("/readyz", response_model=Readiness, responses=responses(ProblemCode.UNAVAILABLE))
def ready(parts: PartsDep) -> Response:
    """Say whether requests can be served, and which part is down."""
    found = readiness(parts)
    if found.status == "unavailable":
        detail = f"The database is down (broker: {found.broker})."
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers)
    return json_answer(found.model_dump_json())
