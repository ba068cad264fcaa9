"""Requests repeated many times through several API processes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import Deployment
from tests.rig.work import Work

pytestmark = pytest.mark.servers

POSTS = 50


def test_fifty_posts_with_one_key_create_one_job(deployment: Deployment) -> None:
    """Two APIs receive them at once: one request stores the job, the others repeat its response."""
    work = Work("idempotent")

    def post(number: int) -> tuple[int, str]:
        headers = {"Idempotency-Key": "the-only-one"}
        response = deployment.response(work, 3, api=number % 2, **headers)
        return response.status_code, str(response.json()["id"])

    with ThreadPoolExecutor(POSTS) as pool:
        answers = set(pool.map(post, range(POSTS)))
    ((status, job_id),) = answers
    assert status == 202
    record = deployment.ended(job_id)
    deployment.is_whole(record, work, 3)
    assert record.attempt == 1
    named = [job for job in deployment.jobs.list(limit=200).records if job.name == work.name]
    assert [job.id for job in named] == [job_id]
