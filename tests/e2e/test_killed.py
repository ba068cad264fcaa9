"""Killing a trainer during a job costs time but does not change the result."""

import os
import re
import signal
from typing import Any

import psutil
import pytest

from ridgeline.api.job import Job, JobStatus
from ridgeline.client import Client
from tests.e2e.conftest import Command, Run, poll

pytestmark = pytest.mark.servers

SPEC: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.2, "test": 0.2},
    "model": {
        "layers": [
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "regularization": {"weights": {"l2": 0.001}, "dropout": {"rate": 0.3}},
    "training": {
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "epochs": 300,
        "early_stopping": {"patience": 300, "restore_best_weights": True},
    },
    "outputs": ["weights"],
}


def test_job_of_a_killed_trainer_ends_like_an_undisturbed_one(run: Run) -> None:
    command = run("up", "--port", "0", RIDGELINE_CHECKPOINT_INTERVAL_S="0")
    output = command.wait_for_output("takes jobs", seconds=90)
    url = re.search(r"http://\S+", output)
    assert url is not None
    with Client(url[0]) as client:
        undisturbed = client.wait(client.submit(SPEC).id, timeout=100)
        killed = client.submit(SPEC).id
        poll("40 epochs", 60, lambda: client.job(killed).progress.epoch >= 40)
        os.kill(trainer(command).pid, signal.SIGKILL)
        job = client.wait(killed, timeout=100)
        assert (undisturbed.status, job.status) == (JobStatus.SUCCEEDED, JobStatus.SUCCEEDED)
        assert (undisturbed.attempt, job.attempt) == (1, 2)
        assert job.metrics == undisturbed.metrics
        assert client.curves(killed).series == client.curves(undisturbed.id).series
        assert weights(job) == weights(undisturbed)


def trainer(command: Command) -> psutil.Process:
    """The trainer process: forked, and the leader of its own session."""
    (process,) = (
        process
        for process in command.descendants()
        if "forkserver" in " ".join(process.cmdline()) and os.getsid(process.pid) == process.pid
    )
    return process


def weights(job: Job) -> str:
    """The SHA-256 of the weights file, which contains only weights."""
    (file,) = (artifact for artifact in job.artifacts if artifact.name == "model.weights.h5")
    return file.sha256
