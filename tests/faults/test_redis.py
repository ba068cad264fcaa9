"""Redis drops connections, forgets, stands still, dies, or was never there: every job ends."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.conftest import House, another_worker
from tests.rig.process import poll
from tests.rig.work import Work

pytestmark = pytest.mark.servers

WORK, EPOCHS = Work("quick", epoch_s=0.02), 5
ENDED_S = 20.0
CONNECTED_S = 20.0
#: A POST waits for the database, and for nothing else.
POST_S = 3.0
SIGTERM_S = 30.0


def post_some(house: House, count: int) -> list[str]:
    job_ids = []
    for number in range(count):
        began = time.monotonic()
        job_ids.append(house.post(WORK, EPOCHS, api=number % 2))
        assert time.monotonic() - began < POST_S
    return job_ids


def all_whole(house: House, job_ids: list[str]) -> None:
    for record in house.all_ended(job_ids, ENDED_S):
        house.is_whole(record, WORK, EPOCHS)
        assert record.attempt == 1, house.jobs.attempts(record.id)


@contextmanager
def often(action: threading.Event, house: House) -> Iterator[None]:
    """Drop every connection to Redis three times a second, and let it forget all every second."""

    def spoil() -> None:
        turn = 0
        while not action.wait(1 / 3):
            for links in house.cluster.links.values():
                links.redis.cut()
            turn += 1
            if turn % 3 == 0:
                house.cluster.redis.flush()

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        yield
    finally:
        action.set()
        thread.join()


def test_connections_that_drop_and_a_broker_that_forgets(house: House) -> None:
    with often(threading.Event(), house):
        job_ids: list[str] = []
        for _ in range(6):
            job_ids += post_some(house, 3)
            time.sleep(0.4)
        all_whole(house, job_ids)


def test_a_broker_that_stands_still_and_then_dies(house: House) -> None:
    redis = house.cluster.redis
    redis.freeze()
    all_whole(house, post_some(house, 6))
    redis.thaw()
    redis.kill()
    all_whole(house, post_some(house, 6))
    proxies = [house.cluster.links[worker.name].redis for worker in house.cluster.workers]
    served = [proxy.connections for proxy in proxies]
    redis.start()
    all_whole(house, post_some(house, 6))

    def are_back() -> bool:
        return all(proxy.connections > count for proxy, count in zip(proxies, served, strict=True))

    poll("the workers to connect again", are_back, CONNECTED_S)


def test_a_broker_that_refuses_every_write(house: House) -> None:
    """As Redis does when its disk is full. The workers go on, and take hints again afterwards.

    Each says it in a few lines, however often it is refused.
    """
    workers = {worker.pid for worker in house.cluster.workers}
    logged = [worker.log.stat().st_size for worker in house.cluster.workers]

    def refusals() -> list[int]:
        logs = zip(house.cluster.workers, logged, strict=True)
        return [each.log.read_bytes()[start:].count(b"NOREPLICAS") for each, start in logs]

    with house.cluster.redis.client() as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            all_whole(house, post_some(house, 4))
            poll("the workers to be refused", lambda: all(refusals()), CONNECTED_S)
        finally:
            client.config_set("min-replicas-to-write", 0)
    all_whole(house, post_some(house, 4))
    assert {worker.pid for worker in house.cluster.workers} == workers
    assert all(worker.running for worker in house.cluster.workers)
    assert max(refusals()) <= 3, refusals()


def test_a_worker_starts_works_and_ends_without_a_broker(house: House) -> None:
    house.cluster.redis.kill()
    with another_worker(house, "worker-late") as late:
        job_ids: list[str] = []

        def takes_part() -> bool:
            job_ids.extend(post_some(house, 2))
            return any(str(late.pid) in house.owners(job_id) for job_id in job_ids)

        poll("the worker to take a job", takes_part, ENDED_S)
        all_whole(house, job_ids)
        assert late.stop(SIGTERM_S) == 0
