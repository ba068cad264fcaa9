"""A job's log followed over real sockets, while the service restarts or is unreachable."""

from itertools import islice
from threading import Thread

import httpx
import pytest

from ridgeline import Client
from ridgeline.api.log import LogLevel
from ridgeline.client import NotFoundError, Retries, UnreachableError
from service.http.documentation import IRIS
from tests.integration.client.conftest import Worker
from tests.rig.api import Api
from tests.rig.proxy import Proxy

pytestmark = pytest.mark.servers


def test_follow_survives_a_restart_of_the_service(
    ridgeline: Client, worker: Worker, api: Api
) -> None:
    """No line is lost or repeated, and lines after the end of the job are read."""
    job = ridgeline.submit(IRIS)
    lines = ridgeline.logs(job.id, follow=True)
    seen = list(islice(lines, 1))
    api.kill()
    claim = worker.claim(job.id)
    worker.logs(claim, "logged while the service was down")
    starting = Thread(target=api.start)
    starting.start()
    seen += islice(lines, 2)
    starting.join()
    worker.finish(claim)
    seen += islice(lines, 1)
    worker.logs(claim, "last line")
    seen += lines
    assert [line.id for line in seen] == [1, 2, 3, 4, 5]
    assert [line.event for line in seen if line.source == "worker"] == [
        "logged while the service was down",
        "last line",
    ]


def test_lines_below_the_level_are_left_out(ridgeline: Client, worker: Worker) -> None:
    job = ridgeline.submit(IRIS)
    claim = worker.claim(job.id)
    worker.logs(claim, "all is well")
    worker.logs(claim, "something is wrong", LogLevel.ERROR)
    worker.finish(claim)
    (line,) = ridgeline.logs(job.id, level=LogLevel.ERROR, follow=True)
    assert line.event == "something is wrong"


def test_unreachable_service_raises_after_the_patience(ridgeline: Client, proxy: Proxy) -> None:
    impatient = Retries(first_pause_s=0.01, longest_pause_s=0.05, patience_s=0.3)
    job = ridgeline.submit(IRIS)
    with Client(ridgeline.base_url, transport=httpx.HTTPTransport(), retries=impatient) as client:
        lines = client.logs(job.id, follow=True)
        next(lines)
        proxy.refuse()
        with pytest.raises(UnreachableError, match=r"ridgeline up"):
            next(lines)


def test_job_deleted_meanwhile_raises_not_found(ridgeline: Client) -> None:
    job = ridgeline.submit(IRIS)
    lines = ridgeline.logs(job.id, follow=True)
    next(lines)
    ridgeline.cancel(job.id)
    ridgeline.delete(job.id)
    with pytest.raises(NotFoundError):
        list(lines)
