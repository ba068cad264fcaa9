"""Hints that are delivered twice, and hints that queue during a long job."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from celery import Celery

from ridgeline.storage.records.outbox import TRAIN_QUEUE
from tests.faults.conftest import Deployment
from tests.rig.work import Work

pytestmark = pytest.mark.servers

VISIBLE_S = 2
RESTORE_S = 0.25
LONGER = 4


@contextmanager
def impatient_consumer(url: str) -> Iterator[None]:
    """Another application on the broker with a short visibility_timeout.

    It requeues every message, of any consumer, that stays unacknowledged for that long.
    """
    app = Celery(broker=url, set_as_current=False)
    app.conf.broker_transport_options = {
        "visibility_timeout": VISIBLE_S,
        "unacked_restore_throttle": 1,
    }
    done = threading.Event()

    def restore() -> None:
        with app.connection_for_read() as connection:
            while not done.wait(RESTORE_S):
                connection.default_channel.qos.restore_visible(interval=1)  # type: ignore[attr-defined]

    thread = threading.Thread(target=restore)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        app.close()


def test_job_longer_than_the_visibility_timeout_runs_once(deployment: Deployment) -> None:
    work, epochs = Work("longer", epoch_s=0.1), int(10 * LONGER)
    with impatient_consumer(deployment.cluster.redis.url):
        job_id = deployment.post(work, epochs)
        with deployment.cluster.redis.client() as redis:
            deployment.at_epoch(job_id, 5)
            assert not redis.exists("unacked")
            deployment.at_epoch(job_id, 10 * VISIBLE_S + 8)
            assert redis.llen(TRAIN_QUEUE) == 0
        record = deployment.ended(job_id)
    deployment.is_whole(record, work, epochs)
    assert (record.attempt, len(deployment.jobs.attempts(job_id))) == (1, 1)


def test_short_jobs_do_not_wait_for_long_ones(deployment: Deployment) -> None:
    """Three of four slots are busy; the short jobs all go to the fourth."""
    long, short = Work("long", epoch_s=0.1), Work("short", epoch_s=0.02)
    running = [deployment.post(long, 1000) for _ in range(3)]
    for job_id in running:
        deployment.at_epoch(job_id, 1)
    for record in deployment.all_ended([deployment.post(short, 3) for _ in range(8)]):
        deployment.is_whole(record, short, 3)
        assert record.attempt == 1, deployment.jobs.attempts(record.id)
    assert not any(deployment.record(job_id).status.terminal for job_id in running)
    for job_id in running:
        deployment.jobs.request_cancel(job_id)
    for record in deployment.all_ended(running):
        assert record.status.value == "cancelled"
