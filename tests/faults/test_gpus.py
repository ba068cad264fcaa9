"""A worker whose GPU is sick takes no job until it is well."""

import os
from pathlib import Path

import pytest

from tests.faults.conftest import House, another_worker
from tests.rig.process import poll
from tests.rig.work import Work

pytestmark = pytest.mark.servers

SICK, WELL = "79000, 81920", "4, 81920"
TAKEN_S = 20.0


def test_no_job_goes_to_a_sick_gpu(house: House, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_text(SICK)
    script = tmp_path / "nvidia-smi"
    script.write_text(f"#!/bin/sh\nexec cat {answer}\n")
    script.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CUDA_VISIBLE_DEVICES": "GPU-1",
        "RIDGELINE_WORKER_CONCURRENCY": "1",
    }
    work = Work("any", epoch_s=0.05)
    with another_worker(house, "worker-gpu", **environment) as worker:
        poll("its word", lambda: "slot_kept_back" in worker.log_text(), TAKEN_S)
        sent = [house.post(work, 3) for _ in range(6)]
        house.all_ended(sent)
        assert not any(str(worker.pid) in house.owners(job_id) for job_id in sent)
        answer.write_text(WELL)

        def takes_part() -> bool:
            # Few at a time, and again and again: others may be quicker.
            if house.record(sent[-1]).status.terminal:
                sent.extend(house.post(work, 3) for _ in range(6))
            return "attempt_started" in worker.log_text()

        poll("it to take a job", takes_part, TAKEN_S)
        for record in house.all_ended(sent):
            house.is_whole(record, work, 3)
        assert worker.log_text().count("slot_kept_back") == 1
        assert worker.log_text().count("slot_well_again") == 1
