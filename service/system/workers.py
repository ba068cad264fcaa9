"""/workers: who runs the jobs.

The workers, and whether they take the jobs that wait.
"""

import logging
from collections.abc import Sequence

from fastapi import APIRouter, Response
from pydantic import TypeAdapter

from ridgeline.api.problems import ProblemCode
from ridgeline.api.worker import Worker, WorkerState
from ridgeline.storage import FigureStore, WorkerRecord, WorkerStore
from service.http.answers import json_answer
from service.http.problems import responses
from service.services import Parts, PartsDep

router = APIRouter(tags=["operations"])


_WORKERS = TypeAdapter(list[Worker])


STALL_S = 60.0
"""How long jobs may wait while somebody could take them, or nobody is there to."""


_LOOKS = 2


logger = logging.getLogger(__name__)


@router.get("/workers", response_model=list[Worker], responses=responses(ProblemCode.UNAVAILABLE))
def list_workers(parts: PartsDep) -> Response:
    """List the workers, the latest first, with the jobs they hold."""
    return json_answer(_WORKERS.dump_json(workers(parts)))


def workers(parts: Parts) -> list[Worker]:
    """Every worker that has been heard of within a day, the latest first."""
    records = WorkerStore(parts.database).list(parts.settings.lease_s)
    return [Worker(**vars(record)) for record in records]


def stall(oldest_wait_s: float, since_claim_s: float, known: Sequence[WorkerRecord]) -> str | None:
    """Why jobs wait that should not, or None where they need not, or wait for a slot.

    Where jobs are claimed all the time there is often a slot between two of them.
    """
    if min(oldest_wait_s, since_claim_s) < STALL_S:
        return None
    ready = [worker for worker in known if worker.state is WorkerState.READY]
    if not ready:
        return "no worker is ready to take them"
    free = [worker.id for worker in ready if len(worker.slots) > len(worker.jobs)]
    return f"{free[0]} has a free slot" if free else None


class StallAlarm:
    """Warns once when jobs wait that should not, and says when that is over.

    One look is not enough: a slot may be free for the moment between two long jobs.
    """

    def __init__(self, figures: FigureStore, store: WorkerStore, lease_s: float) -> None:
        self._figures = figures
        self._store = store
        self._lease_s = lease_s
        self._looks = 0
        """How many looks in succession have found a stall."""

    def __call__(self) -> None:
        """Look once."""
        waited, since_claim = self._figures.waiting()
        why = None
        if waited >= STALL_S:
            why = stall(waited, since_claim, self._store.list(self._lease_s))
        stalled, self._looks = self._looks >= _LOOKS, self._looks + 1 if why else 0
        if self._looks == _LOOKS:
            logger.warning("a job has waited for %.0f s: %s", waited, why)
        elif stalled and not why:
            logger.info("waiting jobs are taken again")
