"""The database stops, freezes or drops connections: training continues and nothing is lost."""

import random
import time

import pytest

from tests.faults.conftest import LEASE_S, Deployment
from tests.rig.work import Work

pytestmark = pytest.mark.servers

#: Two minutes are four leases of thirty seconds.
AWAY_S = 4 * LEASE_S


def test_no_attempt_is_lost_while_the_database_is_down_for_four_leases(
    deployment: Deployment,
) -> None:
    """Running jobs keep training; a job that ends during the outage is recorded once."""
    postgresql = deployment.cluster.postgresql
    assert postgresql is not None
    works = {
        deployment.post(work, epochs): (work, epochs) for work, epochs in long_and_short_work()
    }
    for job_id in works:
        deployment.at_epoch(job_id, 2)
    postgresql.stop()
    time.sleep(AWAY_S)
    postgresql.start()
    longest = next(iter(works))
    deployment.at_epoch(longest, int(AWAY_S / 0.1))
    for record in deployment.all_ended(list(works)):
        work, epochs = works[record.id]
        deployment.is_whole(record, work, epochs)
        assert (record.attempt, record.drain_count) == (1, 0), deployment.jobs.attempts(record.id)
        assert deployment.trained_epochs(record.id, 1) == list(range(1, epochs + 1))


def long_and_short_work() -> list[tuple[Work, int]]:
    """A job that outlasts the outage and one that ends during it."""
    return [(Work("long", epoch_s=0.1), int(15 * AWAY_S)), (Work("short", epoch_s=0.1), 30)]


def test_no_attempt_is_lost_when_connections_break_during_transactions(
    deployment: Deployment,
) -> None:
    generator = random.Random(7)  # noqa: S311 - the same cuts in every run
    work, epochs = Work("cut", epoch_s=0.02), 150
    job_ids = [deployment.post(work, epochs) for _ in range(2)]
    for _ in range(3):
        # A worker without the database for a whole lease does lose its jobs.
        time.sleep(0.6 * LEASE_S)
        for name, links in deployment.cluster.links.items():
            if name.startswith("worker"):
                assert links.database is not None
                links.database.cut_after(generator.randint(50, 3000))
    for record in deployment.all_ended(job_ids):
        deployment.is_whole(record, work, epochs)
        assert record.attempt == 1, deployment.jobs.attempts(record.id)


def test_no_attempt_is_lost_when_the_database_freezes_past_the_leases(
    deployment: Deployment,
) -> None:
    """When the database resumes, every lease has expired and the reapers have waited for it."""
    postgresql = deployment.cluster.postgresql
    assert postgresql is not None
    work, epochs = Work("frozen", epoch_s=0.1), 50
    job_ids = [deployment.post(work, epochs) for _ in range(2)]
    for job_id in job_ids:
        deployment.at_epoch(job_id, 2)
    postgresql.freeze()
    time.sleep(1.5 * LEASE_S)
    postgresql.thaw()
    for record in deployment.all_ended(job_ids):
        deployment.is_whole(record, work, epochs)
        assert record.attempt == 1, deployment.jobs.attempts(record.id)
