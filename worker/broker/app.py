"""The Celery application: one task, fed by a Redis queue of hints that a job may be waiting."""

import re
import ssl
from typing import Any

import structlog
from celery import Celery
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, Transport
from kombu.transport.virtual import Empty

from ridgeline.api.job import JOB_ID_PATTERN
from ridgeline.storage.records.outbox import TRAIN_QUEUE, TRAIN_TASK
from worker.broker.consumer import SlotPoolApp
from worker.slots.dispatcher import Dispatcher
from worker.slots.slots import SlotPool

log = structlog.get_logger()


def create_app(url: str, slots: SlotPool) -> SlotPoolApp:
    """An application that receives hints from the broker at `url` while `slots` are free."""
    _install_transport()
    app = SlotPoolApp("ridgeline", broker=url, set_as_current=False)
    app.slots = slots
    app.conf.update(
        # JSON only: a pickle from anyone who can write to Redis would run code here.
        accept_content=["json"],
        task_serializer="json",
        # The database is the truth, so there are no results and no late acknowledgements: a lost
        # hint is sent again, and a duplicate finds nothing to claim.
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue=TRAIN_QUEUE,
        # A hint stays in Redis, available to any worker, until a thread is free.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_pool="worker.broker.consumer:WakingPool",
        worker_consumer="worker.broker.consumer:ReconnectingConsumer",
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        # Redis rejects commands while its disk is full: retry, or Celery would end.
        broker_channel_error_retry=True,
        broker_transport_options={
            # No bookkeeping in Redis of hints that are not acknowledged. An acknowledgement that
            # failed there would use up a part of the prefetch count until the next reconnection.
            "ack_emulation": False,
            # Detect and replace a connection that dies silently.
            "socket_timeout": 15.0,
            "socket_connect_timeout": 5.0,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": True,
        },
    )
    if url.startswith("rediss://"):
        # Without this Celery encrypts but accepts any certificate.
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    return app


def add_train_task(app: Celery, dispatcher: Dispatcher) -> None:
    """Register the task for hints: each runs one attempt if the job can be claimed."""

    @app.task(name=TRAIN_TASK, shared=False, typing=False)
    def train(job_id: object = None, *_: object, **__: object) -> None:
        """Run one attempt; never raises into Celery, whatever the message contains."""
        if not isinstance(job_id, str) or not re.fullmatch(JOB_ID_PATTERN, job_id):
            log.warning("hint_dropped", because="no job id")
            return
        dispatcher.take_hint(job_id)


class CarefulChannel(Channel):
    """Drops unreadable messages; Kombu's own raises an error on which Celery ends."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # It has left the queue already, and a dropped hint never does harm.
            log.warning("hint_dropped", because="unreadable message", error=type(error).__name__)
            raise Empty from error


class CarefulTransport(Transport):
    """Redis through careful channels."""

    Channel = CarefulChannel


def _install_transport() -> None:
    """Use this transport for `redis://`, `rediss://` and `redis+socket://` in this process."""
    here = f"{CarefulTransport.__module__}:{CarefulTransport.__name__}"
    TRANSPORT_ALIASES.update(redis=here, rediss=here)
