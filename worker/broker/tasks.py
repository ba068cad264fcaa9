"""The Celery task: a hint that a job may be waiting."""

import re

import structlog
from celery import Celery

from ridgeline.api.job import JOB_ID_PATTERN
from ridgeline.storage.records.tasks import TRAIN_TASK
from worker.slots.dispatcher import Dispatcher

log = structlog.get_logger()


def add_train_task(app: Celery, dispatcher: Dispatcher) -> None:
    """Let `app` take hints: each is an attempt of a job, if the job is to be had."""

    @app.task(name=TRAIN_TASK, shared=False, typing=False)
    def train(job_id: object = None, *_: object, **__: object) -> None:
        """Run one attempt; whatever else is in the message, it never raises into Celery."""
        if not isinstance(job_id, str) or not re.fullmatch(JOB_ID_PATTERN, job_id):
            log.warning("hint_dropped", because="no job id")
            return
        dispatcher.take_hint(job_id)
