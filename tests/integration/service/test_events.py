"""GET /jobs/{id}/events: pages of JSON, and streams over a real socket."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from ridgeline.api.curves import EpochRow
from ridgeline.api.events import EpochEvent, EventPage, JobEvent, StatusEvent
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import DatabaseUnavailable, EventRecords
from service.events import live as streams
from service.events import routes as events
from service.services import Services
from service.settings import Settings
from tests.integration.service.streams import ACCEPT, Follower, replayed

NO_JOB = "job_" + "0" * 32
DIVERGED = EndReason(code=EndCode.DIVERGED, detail='The loss became "NaN".\nLower the rate.')


@pytest.fixture
def client(served: httpx.Client) -> httpx.Client:
    return served


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_streams": 20})


@pytest.fixture
def ended(submit: Callable[..., str], worker: Any) -> str:
    """A job of four epochs and three states."""
    worker.train(job_id := submit(), epochs=4)
    return job_id


def row(epoch: int, padding: int = 0) -> EpochRow:
    values = {"loss": 1 / epoch, "x" * padding or "val_loss": None}
    return EpochRow(epoch=epoch, values=values, penalty_by_layer={}, seconds=0.1)


def path(job_id: str) -> str:
    return f"/jobs/{job_id}/events"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class TestPages:
    def test_pages_lead_to_the_end(self, client: httpx.Client, ended: str) -> None:
        found: list[JobEvent] = []
        after = 0
        for items, complete in ((4, False), (2, False), (1, True)):
            limit = items if not complete else 10
            answer = client.get(f"{path(ended)}?after={after}&limit={limit}")
            page = EventPage.model_validate_json(answer.content)
            assert (len(page.items), page.complete) == (items, complete)
            assert page.last_id == page.items[-1].id > after
            found += page.items
            after = page.last_id
        created, claimed, *epochs, last = found
        assert [(each.type, each.attempt) for each in (created, claimed)] == [
            ("status", 0),
            ("status", 1),
        ]
        assert [each.row for each in epochs if isinstance(each, EpochEvent)] == [
            row_of(number) for number in range(1, 5)
        ]
        assert isinstance(last, StatusEvent)
        assert (last.before, last.after) == (JobStatus.RUNNING, JobStatus.SUCCEEDED)
        assert last.reason is not None
        assert last.reason.code is EndCode.COMPLETED
        beyond = client.get(f"{path(ended)}?after={after}&wait=30").json()
        assert beyond == {"items": [], "last_id": after, "complete": True}
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == "Accept"

    def test_a_page_waits_for_the_next_event(
        self, client: httpx.Client, submit: Callable[..., str], worker: Any, services: Services
    ) -> None:
        claim = worker.claim(job_id := submit())
        last = client.get(path(job_id)).json()["last_id"]
        answers: list[httpx.Response] = []
        asked = f"{path(job_id)}?after={last}&wait=60"
        poll = threading.Thread(target=lambda: answers.append(client.get(asked)))
        poll.start()
        until(lambda: services.watcher.waiting)
        worker.epochs(claim, row(1))
        poll.join(20)
        (event,) = EventPage.model_validate_json(answers[0].content).items
        assert isinstance(event, EpochEvent)
        assert event.row == row(1)

    def test_a_wait_ends_after_its_time(
        self, client: httpx.Client, submit: Callable[..., str]
    ) -> None:
        last = client.get(path(job_id := submit())).json()["last_id"]
        answer = client.get(f"{path(job_id)}?after={last}&wait=0.05").json()
        assert answer == {"items": [], "last_id": last, "complete": False}

    def test_a_job_deleted_during_a_wait_is_not_found(
        self, client: httpx.Client, submit: Callable[..., str], services: Services
    ) -> None:
        last = client.get(path(job_id := submit())).json()["last_id"]
        answers: list[httpx.Response] = []
        asked = f"{path(job_id)}?after={last}&wait=60"
        poll = threading.Thread(target=lambda: answers.append(client.get(asked)))
        poll.start()
        until(lambda: services.watcher.waiting)
        vanish(services)
        poll.join(20)
        assert answers[0].status_code == 404

    def test_a_page_of_long_events_is_short(
        self,
        client: httpx.Client,
        submit: Callable[..., str],
        worker: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        claim = worker.claim(job_id := submit())
        worker.epochs(claim, *(row(epoch, padding=500) for epoch in range(1, 21)))
        monkeypatch.setattr(events, "PAGE_BYTES", 2000)
        page = EventPage.model_validate_json(client.get(path(job_id)).content)
        assert 3 <= len(page.items) <= 6
        rest = client.get(f"{path(job_id)}?after={page.last_id}&limit=1").json()
        assert rest["items"][0]["row"]["epoch"] == len(page.items) - 1


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
class TestBadQuestions:
    QUERIES = (
        *(("after=-1", "?after"), (f"after={2**63}", "?after"), ("after=x", "?after")),
        *(("after=999999", "?after"), ("limit=0", "?limit"), ("limit=1001", "?limit")),
        *(("wait=-1", "?wait"), ("wait=nan", "?wait"), ("tail=1", "?tail")),
    )
    JUNK = (
        *("x", "", "-1", "1.5", "1e3", "0x1", "1,2", "\xb2", "%31"),
        *("999999", str(2**63), "9" * 5000),
    )

    def test_an_unknown_event_in_the_query_is_rejected(
        self, client: httpx.Client, ended: str, accept: str
    ) -> None:
        for query, at in self.QUERIES:
            answer = client.get(f"{path(ended)}?{query}", headers={"Accept": accept})
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, at)

    def test_an_unknown_last_event_id_is_rejected(
        self, client: httpx.Client, ended: str, accept: str
    ) -> None:
        for junk in self.JUNK:
            headers = [(b"Accept", accept.encode()), (b"Last-Event-ID", junk.encode("latin-1"))]
            answer = client.get(path(ended), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request"), junk
            assert answer.json()["errors"][0]["pointer"] == "last-event-id:"

    def test_an_unknown_job_is_not_found(self, client: httpx.Client, accept: str) -> None:
        for job_id in (NO_JOB, "x", "%00", "job_%F0"):
            for method in ("GET", "HEAD"):
                answer = client.request(method, path(job_id), headers={"Accept": accept})
                assert answer.status_code == 404


def test_an_unknown_format_is_406(client: httpx.Client, ended: str) -> None:
    for accept in ("text/html", "text/event-stream;q=0", "application/xml"):
        answer = client.get(path(ended), headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


def test_accept_chooses_the_format(client: httpx.Client, ended: str) -> None:
    sse = "text/event-stream; charset=utf-8"
    for accept, media_type in (
        ("*/*", "application/json"),
        ("text/event-stream", sse),
        ("text/event-stream, application/json;q=0.9", sse),
        ("application/json, text/event-stream", "application/json"),
    ):
        for method in ("GET", "HEAD"):
            answer = client.request(method, path(ended), headers={"Accept": accept})
            assert answer.headers["content-type"] == media_type
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-accel-buffering"] == "no"
            assert bool(answer.content) is (method == "GET")


def test_head_does_not_wait_for_the_end(client: httpx.Client, submit: Callable[..., str]) -> None:
    job_id = submit()
    last = client.get(path(job_id)).json()["last_id"]
    for headers in (ACCEPT, {}):
        began = time.monotonic()
        answer = client.head(f"{path(job_id)}?wait=60&after={last}", headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
        assert time.monotonic() - began < 10


class TestStreams:
    def test_a_stream_lasts_from_the_queue_to_the_end(
        self, client: httpx.Client, submit: Callable[..., str], worker: Any
    ) -> None:
        follower = Follower(client, path(job_id := submit()))
        until(lambda: follower.events)
        claim = worker.claim(job_id)
        for number in (1, 2, 3):
            worker.epochs(claim, row(number))
            until(lambda: len(follower.epochs()) == number)  # noqa: B023 - awaited at once
        worker.finish(claim, JobStatus.FAILED, reason=DIVERGED)
        *told, end = follower.join()
        assert end == ("end", "{}", "")
        found = [each.told() for each in told]
        page = EventPage.model_validate_json(client.get(path(job_id)).content)
        assert found == list(page.items)
        last = found[-1]
        assert isinstance(last, StatusEvent)
        assert last.reason == DIVERGED

    def test_a_stream_resumes_after_any_event(self, client: httpx.Client, ended: str) -> None:
        every = replayed(client, path(ended))
        assert [each.event for each in every] == [
            "status",
            "status",
            *["epoch"] * 4,
            "status",
            "end",
        ]
        for number, each in enumerate(every[:-1], start=1):
            headers = {"Last-Event-ID": each.id}
            assert replayed(client, path(ended), **headers) == every[number:]
            assert replayed(client, f"{path(ended)}?after={each.id}") == every[number:]
        # The browser's own header counts, which grows while the address stays.
        headers = {"Last-Event-ID": every[3].id}
        assert replayed(client, f"{path(ended)}?after={every[0].id}", **headers) == every[4:]

    def test_the_connection_serves_the_next_request(self, client: httpx.Client, ended: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", client.base_url.port, timeout=10)
        used = []
        for _ in range(2):
            connection.request("GET", path(ended), headers=ACCEPT)
            assert b"event: end" in connection.getresponse().read()
            used.append(connection.sock)
        assert used[0] is used[1]
        connection.close()

    def test_a_silent_stream_pings(
        self, client: httpx.Client, submit: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "PING_S", 0.01)
        with client.stream("GET", path(submit()), headers=ACCEPT) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "retry: 1000"
            pings = (line for line in lines if line.startswith(":"))
            assert [next(pings), next(pings)] == [": ping", ": ping"]

    def test_a_deleted_job_closes_its_streams_without_an_end(
        self, client: httpx.Client, submit: Callable[..., str], services: Services
    ) -> None:
        follower = Follower(client, path(job_id := submit()))
        until(lambda: follower.events)
        vanish(services)
        assert [each.event for each in follower.join()] == ["status"]
        assert client.get(path(job_id), headers=ACCEPT).status_code == 404

    def test_streams_beyond_the_limit_are_503(
        self, client: httpx.Client, submit: Callable[..., str], services: Services
    ) -> None:
        job_id = submit()
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(client.stream("GET", path(job_id), headers=ACCEPT))
            assert services.feed.streams == 20
            answer = client.get(path(job_id), headers=ACCEPT)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "RIDGELINE_MAX_STREAMS" in answer.json()["detail"]
            assert client.get(path(job_id)).status_code == 200
        # All who hung up are noticed, and count no more.
        until(lambda: services.feed.streams == 0)
        with client.stream("GET", path(job_id), headers=ACCEPT) as answer:
            assert answer.status_code == 200

    def test_streams_share_their_reads(
        self, client: httpx.Client, submit: Callable[..., str], worker: Any, services: Services
    ) -> None:
        claim = worker.claim(job_id := submit())
        followers = [Follower(client, path(job_id)) for _ in range(20)]
        until(lambda: all(len(each.events) == 2 for each in followers))
        reads = counted(services)
        for number in range(1, 6):
            worker.epochs(claim, row(number))
            until(lambda: all(len(each.epochs()) == number for each in followers))  # noqa: B023
        assert len(reads) <= 10
        worker.finish(claim)
        assert len({tuple(each.join()) for each in followers}) == 1

    def test_a_stream_stays_open_while_the_database_is_down(
        self, client: httpx.Client, submit: Callable[..., str], worker: Any, services: Services
    ) -> None:
        claim = worker.claim(job_id := submit())
        follower = Follower(client, path(job_id))
        until(lambda: len(follower.events) == 2)
        refused = iter([True, True])
        read = services.feed._read_events

        async def away(*arguments: Any) -> EventRecords | None:
            if next(refused, False):
                raise DatabaseUnavailable
            return await read(*arguments)

        services.feed._read_events = away
        worker.epochs(claim, row(1))
        until(lambda: follower.epochs() == [1])
        assert next(refused, None) is None
        worker.finish(claim)
        assert follower.join()[-1].event == "end"


class TestSlowReaders:
    """They delay no other stream, and unread events are not kept in memory."""

    @pytest.fixture
    def long(self, submit: Callable[..., str], worker: Any) -> str:
        """An ended job of 8 MB of events."""
        claim = worker.claim(job_id := submit())
        for start in range(1, 2001, 500):
            numbers = range(start, start + 500)
            worker.epochs(claim, *(row(number, padding=4000) for number in numbers))
        worker.finish(claim)
        return job_id

    @pytest.fixture
    def slow(self, client: httpx.Client, long: str) -> Iterator[socket.socket]:
        """A connection that has requested all of them and reads nothing."""
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
            connection.connect(("127.0.0.1", client.base_url.port))
            request = f"GET {path(long)} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
            connection.sendall(request.encode())
            yield connection

    def test_slow_readers_delay_no_other_and_miss_nothing(
        self, client: httpx.Client, long: str, services: Services, slow: socket.socket
    ) -> None:
        reads = counted(services)
        until(lambda: services.feed.streams == 1)
        # The kernel takes a few megabytes for a reader that takes nothing.
        assert steady(lambda: len(reads)) < 100
        assert len(replayed(client, path(long))) == 2004
        assert len(reads) > 120
        slow.settimeout(20)
        content = b""
        while b"event: end" not in content[-200:]:
            content += slow.recv(2**16)
        lines = (line.decode() for line in content.split(b"\r\n\r\n", 1)[1].split(b"\n"))
        numbers = [line for line in lines if line.startswith("id: ")]
        assert len(numbers) == len(set(numbers)) == 2003

    def test_a_stream_that_is_never_read_is_closed(
        self, services: Services, slow: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "STALLED_S", 0.05)
        until(lambda: services.feed.streams == 1)
        until(lambda: services.feed.streams == 0)


def row_of(epoch: int) -> EpochRow:
    """The job as the worker of these tests reports it."""
    return EpochRow(
        epoch=epoch,
        values={"loss": 1 / epoch, "val_loss": 2 / epoch},
        penalty_by_layer={"dense/kernel/l2": 0.25},
        seconds=0.5,
    )


def vanish(services: Services) -> None:
    """Delete every job, whatever its status."""
    with services.database.write() as connection:
        connection.execute(text("DELETE FROM jobs"))


def counted(services: Services) -> list[str]:
    """The ids of the jobs whose events are read for streams from now on."""
    reads: list[str] = []
    read = services.feed._read_events

    async def reading(job_id: str, *arguments: Any) -> EventRecords | None:
        reads.append(job_id)
        return await read(job_id, *arguments)

    services.feed._read_events = reading
    return reads


def steady(measure: Callable[[], int]) -> int:
    """The value of `measure` once it is stable."""
    same, before = 0, measure()
    deadline = time.monotonic() + 20
    while same < 20:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        now = measure()
        same, before = (same + 1, before) if now == before else (0, now)
    return before
