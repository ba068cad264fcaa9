"""A trainer that gets no further is found by that, however alive it and its supervisor look."""

import time

import pytest

from tests.faults.conftest import House, frozen, no_backoff
from tests.rig.process import alive, poll
from tests.rig.work import Fault, Work

pytestmark = pytest.mark.servers

#: Twenty times an epoch of a busy machine, but no more than the three seconds of the setting.
FOUND_S = 3.0 + 2.0


def test_hangs_are_found_while_their_supervisor_beats(house: House) -> None:
    """One trainer stands still, one repeats itself for ever, one stops amid a message.

    Their epochs were quick, so what the floor of 1.5 s allows counts, and not the hour.
    """
    still = Work("still", epoch_s=0.05)
    words = [Work("words", fault=fault, at=3) for fault in (Fault.CHATTER, Fault.HALF)]
    first = house.post(still, 40)
    house.at_epoch(first, 3)
    (trainer,) = house.holder(first).trainers()
    job_ids = {first: (still, 40)} | {house.post(work, 5): (work, 5) for work in words}
    with frozen([trainer]), no_backoff(house):
        began = time.monotonic()
        poll("the end of the trainer", lambda: not alive(trainer), FOUND_S)
        assert time.monotonic() - began > 1.0
        for job_id, (work, epochs) in job_ids.items():
            record = house.ended(job_id)
            house.is_whole(record, work, epochs)
            assert (record.attempt, record.crash_count) == (2, 1)
            cut, _ = house.jobs.attempts(job_id)
            assert cut.outcome == "crashed", "the reaper took it: nobody beat"
            assert "made no progress" in str(cut.reason)
