"""The database goes away, stands still or hangs up: training goes on, and nothing is lost."""

import random
import time

import pytest

from tests.faults.conftest import LEASE_S, House
from tests.rig.work import Work

pytestmark = pytest.mark.servers

#: Two minutes are four leases of thirty seconds.
AWAY_S = 4 * LEASE_S


def test_away_for_four_leases_no_attempt_is_lost(house: House) -> None:
    """Those that run train on; one that ends meanwhile is written down once."""
    postgresql = house.cluster.postgresql
    assert postgresql is not None
    works = {house.post(work, epochs): (work, epochs) for work, epochs in running()}
    for job_id in works:
        house.at_epoch(job_id, 2)
    postgresql.stop()
    time.sleep(AWAY_S)
    postgresql.start()
    longest = next(iter(works))
    house.at_epoch(longest, int(AWAY_S / 0.1))
    for record in house.all_ended(list(works)):
        work, epochs = works[record.id]
        house.is_whole(record, work, epochs)
        assert (record.attempt, record.drain_count) == (1, 0), house.jobs.attempts(record.id)
        assert house.told(record.id, 1) == list(range(1, epochs + 1))


def running() -> list[tuple[Work, int]]:
    """More epochs than the outage has time for, and fewer."""
    return [(Work("long", epoch_s=0.1), int(15 * AWAY_S)), (Work("short", epoch_s=0.1), 30)]


def test_connections_that_break_amid_transactions(house: House) -> None:
    generator = random.Random(7)  # noqa: S311 - the same cuts in every run
    work, epochs = Work("cut", epoch_s=0.02), 150
    job_ids = [house.post(work, epochs) for _ in range(2)]
    for _ in range(3):
        # A worker that cannot reach the database at all for a lease does lose its jobs.
        time.sleep(0.6 * LEASE_S)
        for name, links in house.cluster.links.items():
            if name.startswith("worker"):
                assert links.database is not None
                links.database.cut_after(generator.randint(50, 3000))
    for record in house.all_ended(job_ids):
        house.is_whole(record, work, epochs)
        assert record.attempt == 1, house.jobs.attempts(record.id)


def test_standing_still_it_takes_no_lease_with_it(house: House) -> None:
    """Every lease has expired when it goes on, and each reaper has waited for its answer."""
    postgresql = house.cluster.postgresql
    assert postgresql is not None
    work, epochs = Work("frozen", epoch_s=0.1), 50
    job_ids = [house.post(work, epochs) for _ in range(2)]
    for job_id in job_ids:
        house.at_epoch(job_id, 2)
    postgresql.freeze()
    time.sleep(1.5 * LEASE_S)
    postgresql.thaw()
    for record in house.all_ended(job_ids):
        house.is_whole(record, work, epochs)
        assert record.attempt == 1, house.jobs.attempts(record.id)
