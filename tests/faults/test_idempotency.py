"""Requests that come many times, through several API processes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import House
from tests.rig.work import Work

pytestmark = pytest.mark.servers

POSTS = 50


def test_fifty_posts_with_one_key_make_one_job(house: House) -> None:
    """By two processes, at the same moment: the first one stores, the others repeat its answer."""
    work = Work("idempotent")

    def post(number: int) -> tuple[int, str]:
        headers = {"Idempotency-Key": "the-only-one"}
        answer = house.answer(work, 3, api=number % 2, **headers)
        return answer.status_code, str(answer.json()["id"])

    with ThreadPoolExecutor(POSTS) as pool:
        answers = set(pool.map(post, range(POSTS)))
    ((status, job_id),) = answers
    assert status == 202
    record = house.ended(job_id)
    house.is_whole(record, work, 3)
    assert record.attempt == 1
    named = [each for each in house.jobs.list(limit=200).records if each.name == work.name]
    assert [each.id for each in named] == [job_id]
