"""Jobs that cannot end well: each ends with its reason, and none stops the others."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ridgeline.api.job import JobStatus
from tests.faults.conftest import House, no_backoff
from tests.rig.process import poll
from tests.rig.work import Fault, Work

pytestmark = pytest.mark.servers

MEMORY = Path("/sys/fs/cgroup/memory")
LIMIT_BYTES = 300 * 2**20
#: How each ends: the reason, a word of the detail, and after how many attempts.
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
def memory_limit(house: House) -> Iterator[None]:
    """Let the workers and all they start have no more than so much memory from now on."""
    folder = MEMORY / f"ridgeline-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"no right to make a memory cgroup (v1) in {MEMORY}: {error}")
    try:
        move(house, folder)
        yield
    finally:
        move(house, MEMORY)
        poll("the group to be empty", lambda: not (folder / "cgroup.procs").read_text(), 20)
        folder.rmdir()


def move(house: House, group: Path) -> None:
    for worker in house.cluster.workers:
        for process in (psutil.Process(worker.pid), *worker.descendants()):
            (group / "cgroup.procs").write_text(str(process.pid))


def test_each_ends_with_its_reason_and_good_jobs_succeed_between_them(
    house: House, memory_limit: None
) -> None:
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
            house.is_cleared(record)
        else:
            house.is_whole(record, good, epochs)
            assert record.attempt == 1, "\n".join(map(str, house.jobs.attempts(record.id)))
    assert all(worker.running for worker in house.cluster.workers)
