"""A trainer without progress is detected even while it and its supervisor look alive."""

import time

import pytest

from tests.faults.conftest import Deployment, frozen, no_backoff
from tests.rig.process import alive, poll
from tests.rig.work import Fault, Work

pytestmark = pytest.mark.servers

#: Twenty epochs on a busy machine, capped by the hang timeout of 3 s, plus 2 s of slack.
DETECTED_S = 3.0 + 2.0


def test_hung_trainer_is_detected_while_its_supervisor_sends_heartbeats(
    deployment: Deployment,
) -> None:
    """One trainer is suspended, one repeats a message forever, one stops within a message.

    Their epochs were quick, so the floor of 1.5 s applies.
    """
    still = Work("still", epoch_s=0.05)
    talkers = [Work("words", fault=fault, at=3) for fault in (Fault.CHATTER, Fault.HALF)]
    first = deployment.post(still, 40)
    deployment.at_epoch(first, 3)
    (trainer,) = deployment.holder(first).trainers()
    job_ids = {first: (still, 40)} | {deployment.post(work, 5): (work, 5) for work in talkers}
    with frozen([trainer]), no_backoff(deployment):
        began = time.monotonic()
        poll("the end of the trainer", lambda: not alive(trainer), DETECTED_S)
        assert time.monotonic() - began > 1.0
        for job_id, (work, epochs) in job_ids.items():
            record = deployment.ended(job_id)
            deployment.is_whole(record, work, epochs)
            assert (record.attempt, record.crash_count) == (2, 1)
            cut, _ = deployment.jobs.attempts(job_id)
            assert cut.outcome == "crashed", "the reaper ended it: heartbeats were missing"
            assert "made no progress" in str(cut.reason)
