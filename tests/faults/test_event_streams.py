"""Streams of events outlive the servers they come from: replayed without a gap or a double."""

import threading

import httpx
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.events import EpochEvent, JobEvent
from ridgeline.storage import EventType
from tests.faults.conftest import END_S, House, no_backoff
from tests.integration.service.streams import ACCEPT, sent
from tests.rig.process import poll
from tests.rig.work import Work

pytestmark = pytest.mark.servers

EPOCHS = 30
AGAIN_S = 0.05


class Reader:
    """Follows a job as a browser does: where the stream breaks off, it comes back behind its last.

    Each time it asks the next of `urls`, as through a load balancer.
    """

    def __init__(self, *urls: str) -> None:
        self.told: list[JobEvent] = []
        self.ends = 0
        self.breaks = 0
        self._urls = urls
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def at_epoch(self, epoch: int) -> None:
        """Wait until it has been told of the epoch."""

        def told() -> bool:
            return any(isinstance(e, EpochEvent) and e.row.epoch >= epoch for e in self.told)

        poll(f"epoch {epoch} in a stream", told, END_S)

    def join(self) -> None:
        """Wait for the end of the job."""
        self._thread.join(END_S)
        assert not self._thread.is_alive(), f"no end after {self.told[-1:]}"

    def _follow(self) -> None:
        pause = threading.Event()
        while not self.ends:
            try:
                self._read()
            except httpx.TransportError:
                pause.wait(AGAIN_S)
            self.breaks += not self.ends

    def _read(self) -> None:
        last = {"Last-Event-ID": str(self.told[-1].id)} if self.told else {}
        with httpx.stream(
            "GET",
            self._urls[self.breaks % len(self._urls)],
            headers=ACCEPT | last,
            timeout=END_S,
            trust_env=False,
        ) as answer:
            if answer.status_code != 200:  # the database is away, and the API says so
                raise httpx.ReadError(str(answer.status_code))
            for each in sent(answer.iter_lines()):
                if each.event == "end":
                    self.ends += 1
                else:
                    self.told.append(each.told())


def test_servers_are_killed_while_a_job_trains(house: House) -> None:
    """APIs, by SIGKILL and in order; the database; and the worker, between two epochs."""
    apis = house.cluster.apis
    work = Work("streamed", epoch_s=0.1)
    job_id = house.post(work, EPOCHS)
    urls = [f"{api.url}/jobs/{job_id}/events" for api in apis]
    first, second = Reader(urls[0]), Reader(urls[1], urls[0])
    first.at_epoch(3)
    apis[0].kill()
    apis[0].launch()
    second.at_epoch(6)
    house.holder(job_id).kill()
    assert house.cluster.postgresql is not None
    house.cluster.postgresql.kill()
    apis[1].stop()
    house.cluster.heal()
    with no_backoff(house):
        house.ended(job_id)
    for reader in (first, second):
        reader.join()
        assert reader.breaks
    stored = house.jobs.events(job_id)
    for reader in (first, second):
        assert [each.id for each in reader.told] == [each.id for each in stored]
    attempts = {each.attempt for each in first.told if isinstance(each, EpochEvent)}
    assert attempts == {1, 2}
    curve = {each.row.epoch: each.row for each in first.told if isinstance(each, EpochEvent)}
    assert list(curve.values()) == house.jobs.epochs(job_id)
    rows = [each.payload for each in stored if each.type is EventType.EPOCH]
    assert [EpochRow.model_validate_json(text) for text in rows] == [
        each.row for each in first.told if isinstance(each, EpochEvent)
    ]
    house.is_whole(house.record(job_id), work, EPOCHS)
