"""SQLite with many writers and under kill -9: acknowledged commits survive."""

import random
import time

from tests.integration.failpoints.conftest import WAIT_S, Rig
from tests.integration.failpoints.processes import create_jobs

THREADS = 16
JOBS = 20
KILLS = 20
LONGEST_LIFE_S = 0.1


def test_32_writers_in_two_processes_lose_no_job(rig: Rig) -> None:
    acknowledged: list[str] = []
    started = []
    for _ in range(2):
        ours, theirs = rig.context.Pipe(duplex=False)
        with theirs:
            started.append((rig.start(None, create_jobs, rig.home, theirs, THREADS, JOBS), ours))
    for process, pipe in started:
        with pipe:
            for _ in range(THREADS * JOBS):
                assert pipe.poll(WAIT_S)
                acknowledged.append(pipe.recv_bytes().decode())
        process.join(WAIT_S)
        assert process.exitcode == 0
    assert [message for message in acknowledged if not message.startswith("job_")] == []
    assert len(set(acknowledged)) == 2 * THREADS * JOBS
    assert stored(rig) == set(acknowledged)


def test_acknowledged_commits_survive_kills_at_random_moments(rig: Rig) -> None:
    moments = random.Random(4)  # noqa: S311 - not a secret
    acknowledged: set[str] = set()
    for _ in range(KILLS):
        ours, theirs = rig.context.Pipe(duplex=False)
        with theirs:
            process = rig.start(None, create_jobs, rig.home, theirs, 2, 10**6)
        with ours:
            assert ours.poll(WAIT_S)
            time.sleep(moments.uniform(0, LONGEST_LIFE_S))
            process.kill()
            process.join()
            try:
                while True:
                    acknowledged.add(ours.recv_bytes().decode())
            except EOFError:  # the last message may be cut off
                pass
        assert acknowledged <= stored(rig)
    assert len(acknowledged) > KILLS
    rows = rig.rows()
    assert rows["jobs"] == rows["outbox"] == rows["events"]
    with rig.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def stored(rig: Rig) -> set[str]:
    with rig.database.read() as connection:
        return set(connection.exec_driver_sql("SELECT id FROM jobs").scalars())
