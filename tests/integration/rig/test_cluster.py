"""The rig runs real servers that can be killed and restarted."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from ridgeline.api.job import JobStatus
from ridgeline.storage import JobRecord
from tests.rig.cluster import Cluster
from tests.rig.process import alive, poll
from tests.rig.stored import stored_epochs
from tests.rig.work import Fault, Work

pytestmark = pytest.mark.servers

END_S = 40.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(apis_count=2) as cluster:
        yield cluster


def post(cluster: Cluster, work: Work, epochs: int, api: int = 0) -> str:
    response = httpx.post(f"{cluster.apis[api].url}/jobs", json=work.spec(epochs))
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def ended(cluster: Cluster, job_id: str) -> JobRecord:
    jobs = cluster.jobs()

    def terminal() -> JobRecord | None:
        record = jobs.get(job_id)
        return record if record is not None and record.status.terminal else None

    record: JobRecord = poll("the job's end", terminal, END_S)
    return record


def published(cluster: Cluster, record: JobRecord) -> dict[str, str]:
    """The hashes of the published files."""
    return {
        file.name: hashlib.sha256((cluster.artifacts / file.key).read_bytes()).hexdigest()
        for file in record.artifacts
    }


def expected(work: Work, epochs: int) -> dict[str, str]:
    files = work.files(epochs)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_job_succeeds_with_the_expected_files(cluster: Cluster) -> None:
    work = Work("whole")
    record = ended(cluster, post(cluster, work, epochs=3))
    assert (record.status, record.attempt) == (JobStatus.SUCCEEDED, 1)
    assert published(cluster, record) == expected(work, 3)


def test_servers_are_restarted_and_the_job_is_resumed(cluster: Cluster) -> None:
    work = Work("resumed", epoch_s=0.2)
    job_id = post(cluster, work, epochs=12, api=1)
    jobs = cluster.jobs()
    poll("two epochs", lambda: len(stored_epochs(jobs, job_id)) >= 2, END_S)
    assert len(cluster.workers[0].trainers()) >= 1
    assert cluster.postgresql is not None
    cluster.redis.kill()  # first: a hint that it loses is sent again only after 30 s
    assert cluster.workers[0].stop() == 0  # quicker than waiting for a lease to expire
    cluster.postgresql.kill()
    cluster.apis[0].kill()
    cluster.apis[1].freeze()
    assert not any(server.responds() for server in (cluster.redis, cluster.postgresql))
    cluster.heal()
    record = ended(cluster, job_id)
    assert (record.status, record.attempt, record.drain_count) == (JobStatus.SUCCEEDED, 2, 1)
    assert published(cluster, record) == expected(work, 12)


def test_each_fault_ends_the_job_with_its_code(cluster: Cluster) -> None:
    codes = {}
    for fault in (Fault.NAN, Fault.MEMORY, Fault.DISK_FULL, Fault.ERROR):
        record = ended(cluster, post(cluster, Work("poison", fault=fault, at=2), epochs=3))
        codes[fault] = record.reason_code
    assert codes == {
        Fault.NAN: "diverged",
        Fault.MEMORY: "out_of_memory",
        Fault.DISK_FULL: "no_space",
        Fault.ERROR: "internal_error",
    }


def test_no_process_outlives_the_cluster(cluster: Cluster) -> None:
    started = [process for server in cluster.processes for process in server.descendants()]
    assert started
    servers = cluster.processes
    cluster.__exit__(None, None, None)
    assert not any(server.running for server in servers)
    assert not any(map(alive, started))
