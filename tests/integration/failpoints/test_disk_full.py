"""A full disk, simulated by failpoints at every step and real with 2 MiB."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.api.job import EndCode, JobStatus
from ridgeline.failpoints import FAILPOINTS
from ridgeline.storage.files.marker import MARKER
from service.http.documentation import IRIS
from service.main import create_app
from tests.integration.failpoints.conftest import Rig
from tests.integration.failpoints.processes import EPOCHS, Home, attempt
from tests.integration.failpoints.scenarios import assert_succeeded
from tests.rig.stored import stored_epochs

pytestmark = pytest.mark.servers

PUBLISHING = [
    *(name for name in FAILPOINTS if name.startswith("publish.")),
    *("attempt.trained", "attempt.file_published"),
]
CHECKPOINTING = [name for name in FAILPOINTS if name.startswith(("checkpoint.", "history."))]
LARGE_FILE = 3 * 160_000


@pytest.mark.parametrize("name", PUBLISHING)
def test_disk_full_at_any_step_of_publication_fails_the_job_and_leaves_nothing(
    rig: Rig, name: str
) -> None:
    job_id = rig.add(epochs=2)
    hit = 1 if name == "attempt.trained" else 2  # the first file is published by then
    rig.run(attempt, rig.home, job_id, failpoint=f"{name}:{hit}:enospc")
    assert_no_space(rig, job_id)


@pytest.mark.parametrize("name", CHECKPOINTING)
def test_disk_full_at_any_step_of_a_checkpoint_does_not_stop_training(rig: Rig, name: str) -> None:
    job_id = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, job_id, f"{name}:enospc")
    assert rig.record(job_id).attempt == 1
    assert_succeeded(rig, rig.record(job_id))


def test_disk_full_when_folders_are_created_fails_the_job(rig: Rig) -> None:
    job_id = rig.add(epochs=2)
    rig.run(attempt, rig.home, job_id, failpoint="attempt.prepared:enospc")
    assert_no_space(rig, job_id)


class SmallDisk:
    """A file system of 2 MiB that can be filled with ballast."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Fill all space but `leave` bytes."""
        stats = os.statvfs(self.folder)
        left = stats.f_bavail * stats.f_frsize - leave
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while left > 0:
                    left -= file.write(bytes(min(left, 4096)))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("there is no `mount` command here")
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "ridgeline-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs needs root (CAP_SYS_ADMIN): {mounted.stderr}")
    yield SmallDisk(folder)
    subprocess.run([umount, "--lazy", str(folder)], check=True)


@pytest.fixture
def rig_on_small_disk(
    context: ForkServerContext, tmp_path: Path, small_disk: SmallDisk
) -> Iterator[Rig]:
    """A rig with its artifacts on the small disk and its database elsewhere."""
    broker = f"redis+socket://{tmp_path}/no-redis.sock"
    rig = Rig(Home(tmp_path, broker, small_disk.folder / "artifacts"), context)
    yield rig
    rig.database.close()


def test_disk_filled_by_training_fails_the_job(
    rig_on_small_disk: Rig, small_disk: SmallDisk
) -> None:
    rig = rig_on_small_disk
    job_id = rig.add("fill_disk", epochs=EPOCHS)
    rig.run(attempt, rig.home, job_id)
    assert_no_space(rig, job_id)
    following = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, following)
    assert rig.record(following).status is JobStatus.SUCCEEDED


def test_disk_filled_by_checkpoints_and_files_fails_the_job(
    rig_on_small_disk: Rig, small_disk: SmallDisk
) -> None:
    """The disk has room for two checkpoints and one file."""
    rig = rig_on_small_disk
    small_disk.fill(leave=LARGE_FILE + 60_000)
    job_id = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, job_id)
    assert_no_space(rig, job_id)
    small_disk.free()
    following = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, following)
    assert rig.record(following).status is JobStatus.SUCCEEDED


def test_job_too_large_for_the_disk_fails_before_training(rig_on_small_disk: Rig) -> None:
    rig = rig_on_small_disk
    large = {"type": "Dense", "units": 60_000}
    output = {"type": "Dense", "units": 3, "activation": "softmax"}
    job_id = rig.add(model={"layers": [large, output]})
    rig.run(attempt, rig.home, job_id)
    assert_no_space(rig, job_id)
    detail = rig.record(job_id).reason_detail
    assert detail is not None
    assert detail.startswith("The job needs about 22.")
    assert "2.0 MiB are free" in detail
    assert stored_epochs(rig.jobs, job_id) == []


def test_submission_with_a_full_database_disk_is_rejected_or_stored_whole(
    context: ForkServerContext, tmp_path: Path, small_disk: SmallDisk
) -> None:
    """POST returns 503 and stores nothing, or 202 and stores the job."""
    home = Home(small_disk.folder, f"redis+socket://{tmp_path}/no-redis.sock", tmp_path / "files")
    with TestClient(create_app(home.api), raise_server_exceptions=False) as client:
        accepted = {post(client).json()["id"]}
        small_disk.fill()
        responses = [post(client) for _ in range(40)]
        rejected = [response for response in responses if response.status_code != 202]
        assert rejected
        assert {response.status_code for response in rejected} == {503}
        assert {response.json()["code"] for response in rejected} == {"unavailable"}
        accepted |= {r.json()["id"] for r in responses if r.status_code == 202}
        assert {job["id"] for job in client.get("/jobs?limit=100").json()["items"]} == accepted
        small_disk.free()
        response = post(client)
        assert response.status_code == 202
        accepted.add(response.json()["id"])
    rig = Rig(home, context)
    rows = rig.rows()
    assert rows["jobs"] == rows["events"] == rows["outbox"] == len(accepted)
    with rig.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    rig.database.close()


def post(client: TestClient) -> Any:
    return client.post("/jobs", json=IRIS)


def assert_no_space(rig: Rig, job_id: str) -> None:
    """Assert that the job failed at once with no_space and left no file."""
    record = rig.record(job_id)
    assert (record.status, record.reason_code) == (JobStatus.FAILED, EndCode.NO_SPACE)
    assert (record.attempt, record.crash_count) == (1, 0)
    assert record.artifacts == ()
    assert not list(rig.folder.glob(".checkpoints/*"))
    rig.assert_consistent(job_id)


def allow_small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept a disk of 2 MiB: require no margin of free space."""
    monkeypatch.setattr("service.datasets.receiving.MARGIN_BYTES", 0)


def test_data_set_too_large_for_the_disk_is_rejected_and_leaves_nothing(
    tmp_path: Path, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or in parts, the response is 503; with enough space it can be sent."""
    allow_small_disk(monkeypatch)
    broker = f"redis+socket://{tmp_path}/no-redis.sock"
    home = Home(tmp_path, broker, small_disk.folder / "artifacts")
    rows = b"".join(b"%d,%d\n" % (n, n % 7) for n in range(30_000))
    half, large = (b"a,b\n" + rows * times for times in (5, 10))  # of 1.1 and of 2.2 MiB
    with TestClient(create_app(home.api), raise_server_exceptions=False) as client:

        def assert_rejected(method: str, path: str, **body: Any) -> None:
            response = client.request(method, path, **body)
            assert (response.status_code, response.json()["code"]) == (503, "insufficient-storage")
            assert response.headers["Retry-After"]

        def files() -> list[Path]:
            paths = small_disk.folder.rglob("*.*")
            return [path for path in paths if path.is_file() and path.name != MARKER]

        assert_rejected("POST", "/datasets", content=large)  # with Content-Length
        assert_rejected("POST", "/datasets", content=iter([large]))  # without
        assert_rejected("POST", "/uploads", json={"name": "x", "bytes": len(large)})
        assert files() == []
        upload = client.post("/uploads", json={"name": "x", "bytes": len(half)}).json()
        assert client.put(f"/uploads/{upload['id']}/parts/1", content=half).status_code == 204
        assert_rejected(
            "POST", f"/uploads/{upload['id']}/complete"
        )  # no room for the parts and the whole file
        assert_rejected("PUT", f"/uploads/{upload['id']}/parts/1", content=half)
        assert len(files()) == 1
        assert client.delete(f"/uploads/{upload['id']}").status_code == 204
        assert client.post("/datasets", content=half).status_code == 201
