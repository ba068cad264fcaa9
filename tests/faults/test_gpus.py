"""A worker whose GPU is unhealthy claims no job until the GPU has recovered."""

import os
from pathlib import Path

import pytest

from tests.faults.conftest import Deployment, another_worker
from tests.rig.process import poll
from tests.rig.work import Work

pytestmark = pytest.mark.servers

SICK, WELL = "79000, 81920", "4, 81920"
CLAIM_S = 20.0


def test_worker_with_a_sick_gpu_claims_no_job(deployment: Deployment, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text(SICK)
    script = tmp_path / "nvidia-smi"
    script.write_text(f"#!/bin/sh\nexec cat {output}\n")
    script.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CUDA_VISIBLE_DEVICES": "GPU-1",
        "RIDGELINE_WORKER_CONCURRENCY": "1",
    }
    work = Work("any", epoch_s=0.05)
    with another_worker(deployment, "worker-gpu", **environment) as worker:
        poll("its log message", lambda: "slot_kept_back" in worker.log_text(), CLAIM_S)
        sent = [deployment.post(work, 3) for _ in range(6)]
        deployment.all_ended(sent)
        assert not any(str(worker.pid) in deployment.owners(job_id) for job_id in sent)
        output.write_text(WELL)

        def has_claimed() -> bool:
            # Post repeatedly: the other workers may claim every job first.
            if deployment.record(sent[-1]).status.terminal:
                sent.extend(deployment.post(work, 3) for _ in range(6))
            return "attempt_started" in worker.log_text()

        poll("it to claim a job", has_claimed, CLAIM_S)
        for record in deployment.all_ended(sent):
            deployment.is_whole(record, work, 3)
        assert worker.log_text().count("slot_kept_back") == 1
        assert worker.log_text().count("slot_well_again") == 1
