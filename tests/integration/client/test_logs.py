"""A job's log is followed over real sockets, whatever happens to the service."""

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


def test_a_restart_of_the_service_is_outlived(ridgeline: Client, worker: Worker, api: Api) -> None:
    """No line is lost or repeated, and words on a job that has ended are heard."""
    job = ridgeline.submit(IRIS)
    lines = ridgeline.logs(job.id, follow=True)
    seen = list(islice(lines, 1))
    api.kill()
    claim = worker.claim(job.id)
    worker.says(claim, "what was said while nobody listened")
    starting = Thread(target=api.start)
    starting.start()
    seen += islice(lines, 2)
    starting.join()
    worker.finish(claim)
    seen += islice(lines, 1)
    worker.says(claim, "last words")
    seen += lines
    assert [line.id for line in seen] == [1, 2, 3, 4, 5]
    assert [line.event for line in seen if line.source == "worker"] == [
        "what was said while nobody listened",
        "last words",
    ]


def test_lines_that_matter_less_are_left_out(ridgeline: Client, worker: Worker) -> None:
    job = ridgeline.submit(IRIS)
    claim = worker.claim(job.id)
    worker.says(claim, "all is well")
    worker.says(claim, "something is wrong", LogLevel.ERROR)
    worker.finish(claim)
    (line,) = ridgeline.logs(job.id, level=LogLevel.ERROR, follow=True)
    assert line.event == "something is wrong"


def test_gives_up_on_a_service_that_stays_away(ridgeline: Client, proxy: Proxy) -> None:
    impatient = Retries(first_pause_s=0.01, longest_pause_s=0.05, patience_s=0.3)
    job = ridgeline.submit(IRIS)
    with Client(ridgeline.base_url, transport=httpx.HTTPTransport(), retries=impatient) as client:
        lines = client.logs(job.id, follow=True)
        next(lines)
        proxy.refuse()
        with pytest.raises(UnreachableError, match=r"ridgeline up"):
            next(lines)


def test_the_job_is_deleted_meanwhile(ridgeline: Client) -> None:
    job = ridgeline.submit(IRIS)
    lines = ridgeline.logs(job.id, follow=True)
    next(lines)
    ridgeline.cancel(job.id)
    ridgeline.delete(job.id)
    with pytest.raises(NotFoundError):
        list(lines)
