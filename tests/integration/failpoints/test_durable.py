"""202 means durable: the API is killed before and after it sends the response."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from ridgeline.api.job import JobStatus
from ridgeline.failpoints import VARIABLE
from service.http.documentation import IRIS
from tests.integration.failpoints.conftest import WAIT_S, Rig
from tests.integration.failpoints.processes import attempt
from tests.integration.service.test_process import Api

pytestmark = pytest.mark.servers

SPEC = {**IRIS, "name": "succeed"}


@contextmanager
def api(rig: Rig, **variables: str) -> Iterator[Api]:
    api = Api(rig.home.path, **variables)
    try:
        yield api
    finally:
        api.process.kill()
        api.process.wait(WAIT_S)
        assert api.process.stderr is not None
        api.process.stderr.close()


def post(api: Api, key: str) -> httpx.Response:
    response = httpx.post(f"{api.url}/jobs", json=SPEC, headers={"Idempotency-Key": key})
    assert response.status_code == 202, response.text
    return response


def test_acknowledged_jobs_survive_a_killed_api_and_end(rig: Rig) -> None:
    """The third request kills the API after two responses; a retry returns the third job."""
    with api(rig, **{VARIABLE: "submit.before_answer:3"}) as first:
        acknowledged = [post(first, key).json()["id"] for key in ("a", "b")]
        with pytest.raises(httpx.TransportError):
            post(first, "c")
        assert first.process.wait(WAIT_S) == -signal.SIGKILL
    with api(rig) as second:
        assert listed(second) >= set(acknowledged)
        again = post(second, "c")
        assert again.headers["Idempotent-Replayed"] == "true"
        acknowledged.append(again.json()["id"])
        assert listed(second) == set(acknowledged)
        for job_id in acknowledged:
            rig.run(attempt, rig.home, job_id)
            job: dict[str, Any] = httpx.get(f"{second.url}/jobs/{job_id}").json()
            assert (job["status"], job["attempt"]) == (JobStatus.SUCCEEDED, 1)


def listed(api: Api) -> set[str]:
    return {job["id"] for job in httpx.get(f"{api.url}/jobs").json()["items"]}
