"""Redis drops connections, loses data, freezes, dies or is absent: every job still ends."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.conftest import Deployment, another_worker
from tests.rig.process import poll
from tests.rig.work import Work

pytestmark = pytest.mark.servers

WORK, EPOCHS = Work("quick", epoch_s=0.02), 5
ENDED_S = 40.0
CONNECTED_S = 40.0
#: A POST waits for the database only.
POST_S = 3.0
SIGTERM_S = 30.0


def post_some(deployment: Deployment, count: int) -> list[str]:
    job_ids = []
    for number in range(count):
        began = time.monotonic()
        job_ids.append(deployment.post(WORK, EPOCHS, api=number % 2))
        assert time.monotonic() - began < POST_S
    return job_ids


def all_whole(deployment: Deployment, job_ids: list[str]) -> None:
    for record in deployment.all_ended(job_ids, ENDED_S):
        deployment.is_whole(record, WORK, EPOCHS)
        assert record.attempt == 1, deployment.jobs.attempts(record.id)


@contextmanager
def unreliable_redis(done: threading.Event, deployment: Deployment) -> Iterator[None]:
    """Drop every connection to Redis three times a second and flush it once a second."""

    def spoil() -> None:
        turn = 0
        while not done.wait(1 / 3):
            for links in deployment.cluster.links.values():
                links.redis.cut()
            turn += 1
            if turn % 3 == 0:
                deployment.cluster.redis.flush()

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_jobs_succeed_while_redis_drops_connections_and_loses_its_data(
    deployment: Deployment,
) -> None:
    with unreliable_redis(threading.Event(), deployment):
        job_ids: list[str] = []
        for _ in range(6):
            job_ids += post_some(deployment, 3)
            time.sleep(0.4)
        all_whole(deployment, job_ids)


def test_jobs_succeed_while_redis_is_frozen_and_after_it_is_killed(deployment: Deployment) -> None:
    redis = deployment.cluster.redis
    redis.freeze()
    all_whole(deployment, post_some(deployment, 6))
    redis.thaw()
    redis.kill()
    all_whole(deployment, post_some(deployment, 6))
    proxies = [deployment.cluster.links[worker.name].redis for worker in deployment.cluster.workers]
    served = [proxy.connections for proxy in proxies]
    redis.start()
    all_whole(deployment, post_some(deployment, 6))

    def are_connected() -> bool:
        return all(proxy.connections > count for proxy, count in zip(proxies, served, strict=True))

    poll("the workers to connect again", are_connected, CONNECTED_S)


def test_jobs_succeed_while_redis_rejects_every_write(deployment: Deployment) -> None:
    """As Redis does when its disk is full. Workers keep running and receive hints afterwards.

    Each worker logs at most three lines, however many writes fail.
    """
    workers = {worker.pid for worker in deployment.cluster.workers}
    logged = [worker.log.stat().st_size for worker in deployment.cluster.workers]

    def rejections() -> list[int]:
        logs = zip(deployment.cluster.workers, logged, strict=True)
        return [worker.log.read_bytes()[start:].count(b"NOREPLICAS") for worker, start in logs]

    with deployment.cluster.redis.client() as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            all_whole(deployment, post_some(deployment, 4))
            poll("the workers' writes to be rejected", lambda: all(rejections()), CONNECTED_S)
        finally:
            client.config_set("min-replicas-to-write", 0)
    all_whole(deployment, post_some(deployment, 4))
    assert {worker.pid for worker in deployment.cluster.workers} == workers
    assert all(worker.running for worker in deployment.cluster.workers)
    assert max(rejections()) <= 3, rejections()


def test_worker_starts_works_and_stops_without_a_broker(deployment: Deployment) -> None:
    deployment.cluster.redis.kill()
    with another_worker(deployment, "worker-late") as late:
        job_ids: list[str] = []

        def has_claimed() -> bool:
            job_ids.extend(post_some(deployment, 2))
            return any(str(late.pid) in deployment.owners(job_id) for job_id in job_ids)

        poll("the worker to claim a job", has_claimed, ENDED_S)
        all_whole(deployment, job_ids)
        assert late.stop(SIGTERM_S) == 0
