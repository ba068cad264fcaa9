"""GET /jobs and /jobs/{id}: entity tags, long polls, pages, filters; cancel, pause and delete."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from ridgeline.api.job import EndCode, EndReason, Job, JobPage, JobStatus
from ridgeline.storage import LeaseStore
from ridgeline.storage.files.marker import MARKER
from service.http.documentation import IRIS
from service.services import Services


class TestEntityTags:
    """A job's tag names its version."""

    def test_an_unchanged_job_is_not_sent_again(
        self, client: TestClient, submit: Callable[..., str]
    ) -> None:
        path = f"/jobs/{submit()}"
        tag = client.get(path).headers["etag"]
        for known in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
            answer = client.get(path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
        assert client.get(path, headers={"If-None-Match": '"x"'}).status_code == 200

    def test_every_change_has_a_new_tag(
        self, client: TestClient, submit: Callable[..., str], worker: Any
    ) -> None:
        job_id = submit()
        tags = [client.get(f"/jobs/{job_id}").headers["etag"]]
        claim = worker.claim(job_id)
        tags.append(client.get(f"/jobs/{job_id}").headers["etag"])
        worker.epochs(claim)
        tags.append(client.get(f"/jobs/{job_id}").headers["etag"])
        worker.finish(claim)
        last = client.get(f"/jobs/{job_id}")
        assert len({*tags, last.headers["etag"]}) == 4
        assert "retry-after" not in last.headers

    def test_a_finished_job_fits_the_model(
        self, client: TestClient, submit: Callable[..., str], worker: Any
    ) -> None:
        job_id = submit()
        worker.train(job_id, model_keras=b"model")
        job = Job.model_validate_json(client.get(f"/jobs/{job_id}").content)
        assert (job.status, job.attempt, job.progress.epoch) == (JobStatus.SUCCEEDED, 1, 3)
        assert job.reason == EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")
        assert job.metrics == {"loss": 0.5, "val_loss": None}
        assert [artifact.name for artifact in job.artifacts] == ["model.keras"]
        assert client.get(job.artifacts[0].href).content == b"model"


class TestLongPoll:
    """`?wait=N` responds when the job changes."""

    def test_a_changed_job_is_answered_at_once(
        self, client: TestClient, submit: Callable[..., str]
    ) -> None:
        began = time.monotonic()
        answer = client.get(f"/jobs/{submit()}?wait=60", headers={"If-None-Match": 'W/"0"'})
        assert answer.status_code == 200
        assert time.monotonic() - began < 10

    @pytest.mark.parametrize("known", [None, 'W/"1"'])
    def test_a_wait_ends_when_the_job_changes(
        self,
        client: TestClient,
        submit: Callable[..., str],
        worker: Any,
        services: Services,
        known: str | None,
    ) -> None:
        job_id = submit()
        answers: list[httpx.Response] = []
        headers = {"If-None-Match": known} if known else {}
        poll = threading.Thread(
            target=lambda: answers.append(client.get(f"/jobs/{job_id}?wait=60", headers=headers))
        )
        poll.start()
        until(lambda: services.watcher.waiting == 1)
        worker.claim(job_id)
        poll.join(10)
        assert answers[0].json()["status"] == "running"

    @pytest.mark.parametrize(("known", "status"), [(None, 200), ('W/"1"', 304)])
    def test_a_wait_ends_after_its_time(
        self, client: TestClient, submit: Callable[..., str], known: str | None, status: int
    ) -> None:
        headers = {"If-None-Match": known} if known else {}
        answer = client.get(f"/jobs/{submit()}?wait=0.02", headers=headers)
        assert answer.status_code == status

    def test_an_ended_job_is_not_waited_for(
        self, client: TestClient, submit: Callable[..., str], worker: Any
    ) -> None:
        job_id = submit()
        worker.train(job_id)
        began = time.monotonic()
        tag = client.get(f"/jobs/{job_id}?wait=60").headers["etag"]
        answer = client.get(f"/jobs/{job_id}?wait=60", headers={"If-None-Match": tag})
        assert answer.status_code == 304
        assert time.monotonic() - began < 10

    def test_a_job_deleted_during_a_wait_is_not_found(
        self, client: TestClient, submit: Callable[..., str], services: Services
    ) -> None:
        job_id = submit()
        answers: list[httpx.Response] = []
        poll = threading.Thread(
            target=lambda: answers.append(client.get(f"/jobs/{job_id}?wait=60"))
        )
        poll.start()
        until(lambda: services.watcher.waiting == 1)
        with services.database.write() as connection:
            connection.execute(text("DELETE FROM jobs"))
        poll.join(10)
        assert answers[0].status_code == 404

    def test_a_hundred_waiting_requests_delay_no_other(self, app: FastAPI) -> None:
        async def scenario() -> None:
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://test") as client,
            ):
                job_id = (await client.post("/jobs", json=IRIS)).json()["id"]
                polls = [
                    asyncio.create_task(client.get(f"/jobs/{job_id}?wait=60")) for _ in range(100)
                ]
                while app.state.services.watcher.waiting < 100:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0)
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.post(f"/jobs/{job_id}/cancel")).status_code == 202
                answers = await asyncio.gather(*polls)
                assert {answer.json()["status"] for answer in answers} == {"cancelled"}

        asyncio.run(scenario())


class TestList:
    """Pages, newest first."""

    def test_pages_lead_to_the_end(self, client: TestClient, submit: Callable[..., str]) -> None:
        posted = [submit(tags=["even" if number % 2 == 0 else "odd"]) for number in range(7)]
        seen: list[str] = []
        path = "/jobs?limit=3&status=queued&status=running"
        while path:
            answer = client.get(path)
            page = JobPage.model_validate_json(answer.content)
            seen += [job.id for job in page.items]
            assert ("next" in answer.links) == (page.next is not None)
            path = answer.links.get("next", {}).get("url", "")
            submit()  # what is posted meanwhile disturbs no page
        assert seen == posted[::-1]

    def test_status_and_tag_filter_jobs(
        self, client: TestClient, submit: Callable[..., str]
    ) -> None:
        even, odd, other = submit(tags=["even", "x"]), submit(tags=["odd"]), submit()
        client.post(f"/jobs/{odd}/cancel")

        def listed(query: str) -> list[str]:
            return [job["id"] for job in client.get(f"/jobs?{query}").json()["items"]]

        assert listed("tag=even") == [even]
        assert listed("status=cancelled") == [odd]
        assert listed("status=cancelled&status=queued") == [other, odd, even]
        assert listed("status=queued&tag=x") == [even]
        assert listed("tag=%C3%BC") == []
        assert listed("") == [other, odd, even]

    def test_tags_survive_the_link(self, client: TestClient, submit: Callable[..., str]) -> None:
        for _ in range(2):
            submit(tags=["a b&c=ü"])
        answer = client.get("/jobs", params={"tag": "a b&c=ü", "limit": 1})
        following = client.get(answer.links["next"]["url"])
        assert len(following.json()["items"]) == 1
        assert following.json()["next"] is None


class TestCancel:
    """POST /jobs/{id}/cancel."""

    def test_a_queued_job_is_cancelled_at_once(
        self, client: TestClient, submit: Callable[..., str]
    ) -> None:
        path = f"/jobs/{submit()}/cancel"
        first, second = client.post(path), client.post(path)
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json()["status"] == "cancelled"
        assert first.json()["reason"]["code"] == "cancelled_by_user"
        assert first.content == second.content

    def test_a_running_job_is_cancelling(
        self, client: TestClient, submit: Callable[..., str], worker: Any
    ) -> None:
        job_id = submit()
        worker.claim(job_id)
        first, second = (client.post(f"/jobs/{job_id}/cancel") for _ in range(2))
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json()["status"] == second.json()["status"] == "cancelling"

    def test_an_ended_job_cannot_be_cancelled(
        self, client: TestClient, submit: Callable[..., str], worker: Any
    ) -> None:
        job_id = submit()
        worker.train(job_id)
        answer = client.post(f"/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "succeeded" in answer.json()["detail"]


class TestPause:
    """POST /jobs/{id}/pause and /resume."""

    def test_a_queued_job_is_paused_and_resumed(
        self, client: TestClient, submit: Callable[..., str]
    ) -> None:
        path = f"/jobs/{submit()}"
        first, second = client.post(f"{path}/pause"), client.post(f"{path}/pause")
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json()["status"] == "paused"
        assert first.content == second.content == client.get(path).content
        first, second = client.post(f"{path}/resume"), client.post(f"{path}/resume")
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json()["status"] == second.json()["status"] == "queued"

    def test_a_running_job_is_paused_and_resumed(
        self, client: TestClient, submit: Callable[..., str], worker: Any, services: Services
    ) -> None:
        job_id = submit()
        claim = worker.claim(job_id)
        assert client.post(f"/jobs/{job_id}/pause").json()["status"] == "pausing"
        assert client.post(f"/jobs/{job_id}/resume").json()["status"] == "running"
        assert client.post(f"/jobs/{job_id}/pause").status_code == 202
        LeaseStore(services.database).release(claim, penalized=False)
        assert client.get(f"/jobs/{job_id}").json()["status"] == "paused"
        assert client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"

    @pytest.mark.parametrize("ask", ["pause", "resume"])
    def test_an_ended_job_cannot_be_paused(
        self, client: TestClient, submit: Callable[..., str], worker: Any, ask: str
    ) -> None:
        job_id = submit()
        worker.train(job_id)
        answer = client.post(f"/jobs/{job_id}/{ask}")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "succeeded" in answer.json()["detail"]

    @pytest.mark.parametrize("ask", ["pause", "resume"])
    def test_an_unknown_job_is_not_found(self, client: TestClient, ask: str) -> None:
        assert client.post(f"/jobs/job_{'0' * 32}/{ask}").status_code == 404


class TestDelete:
    """DELETE /jobs/{id}."""

    def test_an_ended_job_is_deleted_with_its_files(
        self,
        client: TestClient,
        submit: Callable[..., str],
        worker: Any,
        services: Services,
        stored: Callable[[], dict[str, int]],
    ) -> None:
        job_id = submit(tags=["t"])
        killed = worker.claim(job_id)
        worker.publish(killed, "orphan.keras", b"published, and then its worker was killed")
        (services.artifacts.staging(job_id, killed.fence) / "half").write_bytes(b"x")
        LeaseStore(services.database).release(killed, penalized=False)
        worker.train(job_id, model_keras=b"model", report_json=b"{}")
        answer = client.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.get(f"/jobs/{job_id}").status_code == 404
        assert client.delete(f"/jobs/{job_id}").status_code == 404
        left = {name: rows for name, rows in stored().items() if name != "tallies"}
        assert set(left.values()) <= {0, 1}  # a hint may still lie in the outbox
        folder = Path(services.settings.artifacts_dir)
        assert [path.name for path in folder.rglob("*") if path.is_file()] == [MARKER]

    @pytest.mark.parametrize("running", [False, True])
    def test_an_active_job_cannot_be_deleted(
        self, client: TestClient, submit: Callable[..., str], worker: Any, running: bool
    ) -> None:
        job_id = submit()
        if running:
            worker.claim(job_id)
        answer = client.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert client.get(f"/jobs/{job_id}").status_code == 200


def until(condition: Callable[[], bool]) -> None:
    """Yield to other threads until the condition holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
