"""/workers: who runs the jobs."""

from fastapi import APIRouter, Response
from pydantic import TypeAdapter

from ridgeline.api.worker import Worker
from ridgeline.spec.faults import ProblemCode
from service.http.answers import json_answer
from service.http.problems import responses
from service.services import PartsDep
from service.system.workers_operations import workers

router = APIRouter(tags=["operations"])

_WORKERS = TypeAdapter(list[Worker])


@router.get("/workers", response_model=list[Worker], responses=responses(ProblemCode.UNAVAILABLE))
def list_workers(parts: PartsDep) -> Response:
    """List the workers, the latest first, with the jobs they hold."""
    return json_answer(_WORKERS.dump_json(workers(parts)))
