"""Jobs that cannot end well: each ends with its reason, and none stops the others."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ridgeline.contract.job import JobStatus
from tests.faults.conftest import House, another_worker, no_backoff
from tests.rig.process import poll
from tests.rig.work import Fault, Work

pytestmark = pytest.mark.servers

MEMORY = Path("/sys/fs/cgroup/memory")
LIMIT_BYTES = 200 * 2**20
#: How each ends: the reason, a word of the detail, and after how many attempts.
ENDINGS = {
    Fault.SEGFAULT: ("crash_loop", "SIGSEGV", 3),
    Fault.KILL: ("out_of_memory", "SIGKILL", 3),
    Fault.EXIT: ("crash_loop", "exit code 7", 3),
    Fault.LEAVE: ("crash_loop", "exit code 0", 3),
    Fault.GARBAGE: ("crash_loop", "no message", 3),
    Fault.HANG: ("crash_loop", "made no progress", 3),
    Fault.NAN: ("diverged", "NaN", 1),
    Fault.MEMORY: ("out_of_memory", "batch_size", 1),
    Fault.DISK_FULL: ("no_space", "disk", 1),
    Fault.ERROR: ("internal_error", "KeyError", 1),
}


def test_each_ends_with_its_reason_and_good_jobs_succeed_between_them(house: House) -> None:
    good, epochs = Work("good"), 5
    jobs: dict[str, Fault] = {}
    others = []
    for fault in ENDINGS:
        jobs[house.post(Work("poison", fault=fault, at=3, always=True), epochs)] = fault
        others.append(house.post(good, epochs))
    with no_backoff(house):
        ended = house.all_ended([*jobs, *others])
    for record in ended:
        if record.id in jobs:
            code, detail, attempts = ENDINGS[jobs[record.id]]
            assert (record.status, record.reason_code) == (JobStatus.FAILED, code)
            assert detail.lower() in str(record.reason_detail).lower()
            assert (record.attempt, record.artifacts) == (attempts, ())
            assert house.files(record.id) == []
        else:
            house.is_whole(record, good, epochs)
            assert record.attempt == 1


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A group of processes that may have 200 MB together."""
    folder = MEMORY / f"ridgeline-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"no right to make a memory cgroup (v1) in {MEMORY}: {error}")
    yield folder
    poll("the group to be empty", lambda: not (folder / "cgroup.procs").read_text(), 20)
    folder.rmdir()


def test_the_kernel_ends_what_takes_too_much_memory(house: House, cgroup: Path) -> None:
    """And nothing else of that worker: the trainer offers itself, and its neighbours go on."""
    for worker in house.cluster.workers:
        worker.stop()
    with another_worker(house, "worker-oom") as worker:
        for process in (psutil.Process(worker.pid), *worker.descendants()):
            (cgroup / "cgroup.procs").write_text(str(process.pid))
        good, greedy = Work("good", epoch_s=0.2), Work("greedy", fault=Fault.EAT, at=2, always=True)
        job_ids = [house.post(good, 15), house.post(greedy, 5)]
        with no_backoff(house):
            first, second = house.all_ended(job_ids)
        house.is_whole(first, good, 15)
        assert first.attempt == 1
        assert (second.status, second.reason_code) == (JobStatus.FAILED, "out_of_memory")
        assert [each.exit_signal for each in house.jobs.attempts(second.id)] == [9, 9, 9]
        assert worker.running
        assert os.getpgid(worker.pid) == worker.pid
