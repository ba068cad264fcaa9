"""Event streams survive their servers: replayed without a gap or a duplicate."""

import threading

import httpx
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.events import EpochEvent, JobEvent
from ridgeline.storage import EventType
from tests.faults.conftest import END_S, Deployment, no_backoff
from tests.integration.service.streams import ACCEPT, sent
from tests.rig.process import poll
from tests.rig.stored import stored_epochs
from tests.rig.work import Work

pytestmark = pytest.mark.servers

EPOCHS = 30
RECONNECT_S = 0.05


class Reader:
    """Follows a job as a browser does: reconnects after the last event it received.

    Cycles through `urls`, as a load balancer would.
    """

    def __init__(self, *urls: str) -> None:
        self.received: list[JobEvent] = []
        self.ends = 0
        self.breaks = 0
        self._urls = urls
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def at_epoch(self, epoch: int) -> None:
        """Wait until the epoch has been received."""

        def is_received() -> bool:
            return any(isinstance(e, EpochEvent) and e.row.epoch >= epoch for e in self.received)

        poll(f"epoch {epoch} in a stream", is_received, END_S)

    def join(self) -> None:
        """Wait for the end of the job."""
        self._thread.join(END_S)
        assert not self._thread.is_alive(), f"no end after {self.received[-1:]}"

    def _follow(self) -> None:
        pause = threading.Event()
        while not self.ends:
            try:
                self._read()
            except httpx.TransportError:
                pause.wait(RECONNECT_S)
            self.breaks += not self.ends

    def _read(self) -> None:
        last = {"Last-Event-ID": str(self.received[-1].id)} if self.received else {}
        with httpx.stream(
            "GET",
            self._urls[self.breaks % len(self._urls)],
            headers=ACCEPT | last,
            timeout=END_S,
            trust_env=False,
        ) as response:
            if response.status_code != 200:  # 503 while the database is down
                raise httpx.ReadError(str(response.status_code))
            for message in sent(response.iter_lines()):
                if message.event == "end":
                    self.ends += 1
                else:
                    self.received.append(message.told())


def test_stream_has_no_gap_or_duplicate_after_servers_are_killed(deployment: Deployment) -> None:
    """One API and the worker are killed, the other API is stopped, the database is killed."""
    apis = deployment.cluster.apis
    work = Work("streamed", epoch_s=0.1)
    job_id = deployment.post(work, EPOCHS)
    urls = [f"{api.url}/jobs/{job_id}/events" for api in apis]
    first, second = Reader(urls[0]), Reader(urls[1], urls[0])
    first.at_epoch(3)
    apis[0].kill()
    apis[0].launch()
    second.at_epoch(6)
    deployment.holder(job_id).kill()
    assert deployment.cluster.postgresql is not None
    deployment.cluster.postgresql.kill()
    apis[1].stop()
    deployment.cluster.heal()
    with no_backoff(deployment):
        deployment.ended(job_id)
    for reader in (first, second):
        reader.join()
        assert reader.breaks
    stored = deployment.jobs.events(job_id)
    for reader in (first, second):
        assert [event.id for event in reader.received] == [event.id for event in stored]
    attempts = {event.attempt for event in first.received if isinstance(event, EpochEvent)}
    assert attempts == {1, 2}
    streamed = [event.row for event in first.received if isinstance(event, EpochEvent)]
    curve = {row.epoch: row for row in streamed}
    assert list(curve.values()) == stored_epochs(deployment.jobs, job_id)
    rows = [event.payload for event in stored if event.type is EventType.EPOCH]
    assert [EpochRow.model_validate_json(text) for text in rows] == streamed
    deployment.is_whole(deployment.record(job_id), work, EPOCHS)
