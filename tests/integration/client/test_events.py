"""Events over a network that breaks, and through proxies that buffer or block streams."""

from itertools import islice
from threading import Thread
from typing import get_args

import httpx
import pytest

from ridgeline import Client
from ridgeline.api.events import EpochEvent, JobEvent, StatusEvent
from ridgeline.client import NotFoundError, Retries, UnreachableError, _events
from service.http.documentation import IRIS
from tests.integration.client.conftest import Worker, connect
from tests.rig.api import Api
from tests.rig.middlebox import Middlebox, Way
from tests.rig.proxy import Proxy

pytestmark = pytest.mark.servers


def summaries(events: list[JobEvent]) -> list[int | str]:
    """The epoch of an epoch event, the new status of a status event."""
    return [event.row.epoch if isinstance(event, EpochEvent) else event.after for event in events]


def train(worker: Worker, job_id: str, epochs: int) -> None:
    claim = worker.claim(job_id)
    for epoch in range(1, epochs + 1):
        worker.epochs(claim, epoch)
    worker.finish(claim)


def test_events_arrive_as_they_happen(ridgeline: Client, worker: Worker) -> None:
    job = ridgeline.submit(IRIS)
    events = ridgeline.events(job.id)
    first = next(events)
    assert isinstance(first, StatusEvent)
    assert (first.before, first.after) == (None, "queued")
    claim = worker.claim(job.id)
    assert summaries([next(events)]) == ["running"]
    for epoch in (1, 2):
        worker.epochs(claim, epoch)
        event = next(events)
        assert isinstance(event, EpochEvent)
        assert event.row.epoch == epoch
        assert event.row.values["data_loss"] == 1 / epoch
    worker.finish(claim)
    assert summaries(list(events)) == ["succeeded"]


def test_events_after_an_id(ridgeline: Client, worker: Worker) -> None:
    job = ridgeline.submit(IRIS)
    train(worker, job.id, 3)
    events = list(ridgeline.events(job.id))
    assert summaries(events) == ["queued", "running", 1, 2, 3, "succeeded"]
    assert list(ridgeline.events(job.id, after=events[2].id)) == events[3:]
    assert list(ridgeline.events(job.id, after=events[-1].id)) == []


@pytest.mark.parametrize("count", [1, 150, 700, 1400])
def test_broken_connection_loses_and_repeats_no_event(
    ridgeline: Client, worker: Worker, proxy: Proxy, count: int
) -> None:
    job = ridgeline.submit(IRIS)
    train(worker, job.id, 5)
    whole = list(ridgeline.events(job.id))
    connections = proxy.connections
    ridgeline.close()
    with connect(ridgeline.base_url) as again:
        proxy.cut_after(count)
        assert list(again.events(job.id)) == whole
    assert proxy.connections == connections + 2


def test_broken_live_stream_is_reopened(ridgeline: Client, worker: Worker, proxy: Proxy) -> None:
    job = ridgeline.submit(IRIS)
    claim = worker.claim(job.id)
    events = ridgeline.events(job.id)
    seen = list(islice(events, 2))
    for epoch in (1, 2, 3):
        proxy.cut()
        worker.epochs(claim, epoch)
        seen.append(next(events))
    proxy.cut()
    worker.finish(claim)
    assert summaries([*seen, *events]) == ["queued", "running", 1, 2, 3, "succeeded"]


def test_stream_survives_a_restart_of_the_service(
    ridgeline: Client, worker: Worker, api: Api
) -> None:
    job = ridgeline.submit(IRIS)
    claim = worker.claim(job.id)
    events = ridgeline.events(job.id)
    seen = list(islice(events, 2))
    api.kill()
    worker.epochs(claim, 1)
    starting = Thread(target=api.start)
    starting.start()
    seen.append(next(events))
    starting.join()
    worker.finish(claim)
    assert summaries([*seen, *events]) == ["queued", "running", 1, "succeeded"]


def test_unreachable_service_raises_after_the_patience(
    ridgeline: Client, proxy: Proxy, worker: Worker
) -> None:
    impatient = Retries(first_pause_s=0.01, longest_pause_s=0.05, patience_s=0.3)
    job = ridgeline.submit(IRIS)
    with Client(ridgeline.base_url, transport=httpx.HTTPTransport(), retries=impatient) as client:
        events = client.events(job.id)
        next(events)
        proxy.refuse()
        with pytest.raises(UnreachableError, match=r"ridgeline up"):
            next(events)


def test_unknown_job_raises_not_found(ridgeline: Client) -> None:
    with pytest.raises(NotFoundError):
        next(ridgeline.events("job_" + "0" * 32))


def test_job_deleted_meanwhile_raises_not_found(ridgeline: Client, proxy: Proxy) -> None:
    job = ridgeline.submit(IRIS)
    events = ridgeline.events(job.id)
    next(events)
    proxy.stall()
    with connect(f"http://127.0.0.1:{proxy.target}") as other:
        other.cancel(job.id)
        other.delete(job.id)
    proxy.cut()
    proxy.forward()
    with pytest.raises(NotFoundError):
        list(events)


@pytest.mark.parametrize("way", get_args(Way))
def test_client_polls_where_streams_are_blocked(
    api: Api, worker: Worker, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    monkeypatch.setattr(_events, "SILENCE_S", 0.5)
    with Middlebox(api.url, way) as between, connect_impatiently(between.url) as client:
        job = client.submit(IRIS)
        claim = worker.claim(job.id)
        events = client.events(job.id)
        seen = list(islice(events, 2))
        worker.epochs(claim, 1)
        seen.append(next(events))
        worker.finish(claim)
        assert summaries([*seen, *events]) == ["queued", "running", 1, "succeeded"]


def connect_impatiently(url: str) -> Client:
    return Client(url, timeout=2, transport=httpx.HTTPTransport())
