"""Hints that come twice, and hints that wait behind a long job."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from celery import Celery

from ridgeline.storage.records.outbox import TRAIN_QUEUE
from tests.faults.conftest import House
from tests.rig.work import Work

pytestmark = pytest.mark.servers

VISIBLE_S = 2
LOOK_S = 0.25
LONGER = 4


@contextmanager
def impatient_consumer(url: str) -> Iterator[None]:
    """Another application on the broker, whose visibility_timeout counts for all of them.

    It puts back every message that was taken so long ago and is not acknowledged.
    """
    app = Celery(broker=url, set_as_current=False)
    app.conf.broker_transport_options = {
        "visibility_timeout": VISIBLE_S,
        "unacked_restore_throttle": 1,
    }
    done = threading.Event()

    def restore() -> None:
        with app.connection_for_read() as connection:
            while not done.wait(LOOK_S):
                connection.default_channel.qos.restore_visible(interval=1)  # type: ignore[attr-defined]

    thread = threading.Thread(target=restore)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        app.close()


def test_a_job_longer_than_the_visibility_timeout_runs_once(house: House) -> None:
    work, epochs = Work("longer", epoch_s=0.1), int(10 * LONGER)
    with impatient_consumer(house.cluster.redis.url):
        job_id = house.post(work, epochs)
        with house.cluster.redis.client() as redis:
            house.at_epoch(job_id, 5)
            assert redis.hlen("unacked") == 0, "a hint that is taken is done with"
            house.at_epoch(job_id, 10 * VISIBLE_S + 8)
            assert redis.llen(TRAIN_QUEUE) == 0
        record = house.ended(job_id)
    house.is_whole(record, work, epochs)
    assert (record.attempt, len(house.jobs.attempts(job_id))) == (1, 1)


def test_short_jobs_do_not_wait_behind_long_ones(house: House) -> None:
    """Three of four slots are taken; whatever is posted then goes to the fourth."""
    long, short = Work("long", epoch_s=0.1), Work("short", epoch_s=0.02)
    taken = [house.post(long, 1000) for _ in range(3)]
    for job_id in taken:
        house.at_epoch(job_id, 1)
    for record in house.all_ended([house.post(short, 3) for _ in range(8)]):
        house.is_whole(record, short, 3)
        assert record.attempt == 1, house.jobs.attempts(record.id)
    assert not any(house.record(job_id).status.terminal for job_id in taken)
    for job_id in taken:
        house.jobs.request_cancel(job_id)
    for record in house.all_ended(taken):
        assert record.status.value == "cancelled"
