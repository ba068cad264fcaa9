"""Jobs that crash or fail: each ends with its reason, and none stops the others."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ridgeline.api.job import JobStatus
from tests.faults.conftest import Deployment, no_backoff
from tests.rig.process import poll
from tests.rig.work import Fault, Work

pytestmark = pytest.mark.servers

MEMORY = Path("/sys/fs/cgroup/memory")
LIMIT_BYTES = 300 * 2**20
#: Fault -> reason code, a word of the detail, number of attempts.
ENDINGS = {
    Fault.SEGFAULT: ("crash_loop", "SIGSEGV", 3),
    Fault.EAT: ("out_of_memory", "SIGKILL", 3),
    Fault.EXIT: ("crash_loop", "exit code 7", 3),
    Fault.LEAVE: ("crash_loop", "exit code 0", 3),
    Fault.GARBAGE: ("crash_loop", "unreadable message", 3),
    Fault.HANG: ("crash_loop", "made no progress", 3),
    Fault.NAN: ("diverged", "NaN", 1),
    Fault.MEMORY: ("out_of_memory", "batch_size", 1),
    Fault.DISK_FULL: ("no_space", "disk", 1),
    Fault.ERROR: ("internal_error", "KeyError", 1),
}


@pytest.fixture
def memory_limit(deployment: Deployment) -> Iterator[None]:
    """Limit the memory of the workers and their children (cgroup v1)."""
    folder = MEMORY / f"ridgeline-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"no right to make a memory cgroup (v1) in {MEMORY}: {error}")
    try:
        move(deployment, folder)
        yield
    finally:
        move(deployment, MEMORY)
        poll("the group to be empty", lambda: not (folder / "cgroup.procs").read_text(), 20)
        folder.rmdir()


def move(deployment: Deployment, group: Path) -> None:
    for worker in deployment.cluster.workers:
        for process in (psutil.Process(worker.pid), *worker.descendants()):
            (group / "cgroup.procs").write_text(str(process.pid))


def test_poison_jobs_fail_with_their_reason_and_good_jobs_succeed(
    deployment: Deployment, memory_limit: None
) -> None:
    good, epochs = Work("good"), 5
    jobs: dict[str, Fault] = {}
    others = []
    for fault in ENDINGS:
        jobs[deployment.post(Work("poison", fault=fault, at=3, always=True), epochs)] = fault
        others.append(deployment.post(good, epochs))
    with no_backoff(deployment):
        ended = deployment.all_ended([*jobs, *others])
    for record in ended:
        if record.id in jobs:
            code, detail, attempts = ENDINGS[jobs[record.id]]
            assert (record.status, record.reason_code) == (JobStatus.FAILED, code)
            assert detail.lower() in str(record.reason_detail).lower()
            assert (record.attempt, record.artifacts) == (attempts, ())
            deployment.is_cleared(record)
        else:
            deployment.is_whole(record, good, epochs)
            assert record.attempt == 1, "\n".join(map(str, deployment.jobs.attempts(record.id)))
    assert all(worker.running for worker in deployment.cluster.workers)
