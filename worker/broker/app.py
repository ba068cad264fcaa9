"""The Celery application: a Redis queue of hints, and no more of Celery than that.

The Celery task: a hint that a job may be waiting.
"""

import re
import ssl

import structlog
from celery import Celery

from ridgeline.api.job import JOB_ID_PATTERN
from ridgeline.storage.records.outbox import TRAIN_QUEUE, TRAIN_TASK
from worker.broker import transport
from worker.broker.pool import SlotPoolApp
from worker.settings import WorkerSettings
from worker.slots.dispatcher import Dispatcher
from worker.slots.slots import SlotPool

log = structlog.get_logger()


def create_app(settings: WorkerSettings, slots: SlotPool) -> SlotPoolApp:
    """An application that takes hints from the broker of `settings` while `slots` are free."""
    transport.install()
    url = settings.redis_url.get_secret_value()
    app = SlotPoolApp("ridgeline", broker=url, set_as_current=False)
    app.slots = slots
    app.conf.update(
        # JSON only: a pickle from whoever can write to Redis would run code here.
        accept_content=["json"],
        task_serializer="json",
        # The database is the truth, so there are no results and no late acknowledgements: a hint
        # that is lost is sent again, and one that comes twice finds nothing to claim.
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue=TRAIN_QUEUE,
        # A hint stays in Redis, for any worker to take, until a thread is free.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_pool="worker.broker.pool:WakingPool",
        worker_consumer="worker.broker.consumer:ReturningConsumer",
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        # One that refuses, as Redis does while its disk is full, is asked again: else Celery ends.
        broker_channel_error_retry=True,
        # A connection that dies in silence is noticed and made again.
        broker_transport_options={
            "socket_timeout": 15.0,
            "socket_connect_timeout": 5.0,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": True,
        },
    )
    if url.startswith("rediss://"):
        # Without it Celery encrypts, but takes any certificate.
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    return app


def add_train_task(app: Celery, dispatcher: Dispatcher) -> None:
    """Let `app` take hints: each is an attempt of a job, if the job is to be had."""

    @app.task(name=TRAIN_TASK, shared=False, typing=False)
    def train(job_id: object = None, *_: object, **__: object) -> None:
        """Run one attempt; whatever else is in the message, it never raises into Celery."""
        if not isinstance(job_id, str) or not re.fullmatch(JOB_ID_PATTERN, job_id):
            log.warning("hint_dropped", because="no job id")
            return
        dispatcher.take_hint(job_id)
