"""202 means durable: the API as a process, killed before and after the bytes of its answer."""

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
    answer = httpx.post(f"{api.url}/jobs", json=SPEC, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return answer


def test_what_was_answered_survives_and_ends(rig: Rig) -> None:
    """The client has read two answers when the third request kills; its own is told to a retry."""
    with api(rig, **{VARIABLE: "submit.before_answer:3"}) as first:
        told = [post(first, key).json()["id"] for key in ("a", "b")]
        with pytest.raises(httpx.TransportError):
            post(first, "c")
        assert first.process.wait(WAIT_S) == -signal.SIGKILL
    with api(rig) as second:
        assert listed(second) >= set(told)
        again = post(second, "c")
        assert again.headers["Idempotent-Replayed"] == "true"
        told.append(again.json()["id"])
        assert listed(second) == set(told)
        for job_id in told:
            rig.run(attempt, rig.home, job_id)
            found: dict[str, Any] = httpx.get(f"{second.url}/jobs/{job_id}").json()
            assert (found["status"], found["attempt"]) == (JobStatus.SUCCEEDED, 1)


def listed(api: Api) -> set[str]:
    return {each["id"] for each in httpx.get(f"{api.url}/jobs").json()["items"]}
