"""Sends hints for workers through Celery, by the task's name: no worker code is imported."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import SecretStr
from redis.exceptions import RedisError

from ridgeline.storage.records.outbox import TRAIN_QUEUE, TRAIN_TASK

_CONNECT_TIMEOUT_S = 2.0
_SOCKET_TIMEOUT_S = 5.0


class BrokerUnavailable(Exception):
    """The broker did not accept a message, or did not answer."""


class CeleryDispatch:
    """Sends hints to the broker. A hint is only a job's id; everything else is in the database."""

    def __init__(self, redis_url: str) -> None:
        self._app = Celery("ridgeline", broker=redis_url, set_as_current=False)
        self._app.conf.update(
            accept_content=["json"],
            task_serializer="json",
            task_ignore_result=True,
            broker_transport_options={
                "socket_connect_timeout": _CONNECT_TIMEOUT_S,
                "socket_timeout": _SOCKET_TIMEOUT_S,
                "socket_keepalive": True,
                "max_retries": 0,
            },
        )
        if redis_url.startswith("rediss://"):
            # By default Celery encrypts but accepts any certificate.
            self._app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}

    def send(self, job_id: str) -> None:
        """Send one hint; raises BrokerUnavailable. Not thread-safe."""
        with _broker_errors(), self._app.producer_pool.acquire(block=True) as producer:
            self._app.send_task(
                TRAIN_TASK,
                args=[job_id],
                queue=TRAIN_QUEUE,
                ignore_result=True,
                producer=producer,
                retry=False,
            )

    def ping(self) -> None:
        """Check that the broker answers; raises BrokerUnavailable."""
        with _broker_errors(), self._app.connection_for_write() as connection:
            channel: Any = connection.default_channel  # Redis's, which has a client
            channel.client.ping()

    def waiting(self) -> int:
        """How many hints no worker has read yet; raises BrokerUnavailable."""
        with _broker_errors(), self._app.connection_for_write() as connection:
            channel: Any = connection.default_channel
            return int(channel.client.llen(TRAIN_QUEUE))

    def close(self) -> None:
        """Close the connections."""
        self._app.close()


class NoBroker:
    """Stands in for the broker where there is none: workers poll the database for jobs."""

    def send(self, job_id: str) -> None:
        """Drop the hint."""

    def waiting(self) -> int:
        """Raise BrokerUnavailable: no hint is ever kept."""
        raise BrokerUnavailable("there is no broker")

    def close(self) -> None:
        """Do nothing."""


def open_dispatch(redis_url: SecretStr | None) -> CeleryDispatch | NoBroker:
    """Return what sends hints to the broker at the address."""
    return NoBroker() if redis_url is None else CeleryDispatch(redis_url.get_secret_value())


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, RedisError, OSError) as error:
        raise BrokerUnavailable(str(error)) from error
