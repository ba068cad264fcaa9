"""A full disk: by a failpoint at every step, and a real one of 2 MiB."""

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

pytestmark = pytest.mark.servers

PUBLISHING = [
    *(name for name in FAILPOINTS if name.startswith("publish.")),
    *("attempt.trained", "attempt.file_published"),
]
KEEPING = [name for name in FAILPOINTS if name.startswith(("checkpoint.", "history."))]
LARGE_FILE = 3 * 160_000


@pytest.mark.parametrize("name", PUBLISHING)
def test_at_every_step_of_a_publication_the_job_fails_and_leaves_nothing(
    rig: Rig, name: str
) -> None:
    job_id = rig.add(epochs=2)
    hit = 1 if name == "attempt.trained" else 2  # the first file is published by then
    rig.run(attempt, rig.home, job_id, failpoint=f"{name}:{hit}:enospc")
    assert_no_space(rig, job_id)


@pytest.mark.parametrize("name", KEEPING)
def test_at_every_step_of_a_checkpoint_the_training_goes_on(rig: Rig, name: str) -> None:
    job_id = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, job_id, f"{name}:enospc")
    assert rig.record(job_id).attempt == 1
    assert_succeeded(rig, rig.record(job_id))


def test_folders_that_cannot_be_made(rig: Rig) -> None:
    job_id = rig.add(epochs=2)
    rig.run(attempt, rig.home, job_id, failpoint="attempt.prepared:enospc")
    assert_no_space(rig, job_id)


class SmallDisk:
    """A file system of 2 MiB, and what else lies on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Take all space but `leave` bytes."""
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
    """Its files lie on the small disk, its database does not."""
    broker = f"redis+socket://{tmp_path}/no-redis.sock"
    rig = Rig(Home(tmp_path, broker, small_disk.folder / "artifacts"), context)
    yield rig
    rig.database.close()


def test_a_disk_that_runs_full_in_training(rig_on_small_disk: Rig, small_disk: SmallDisk) -> None:
    rig = rig_on_small_disk
    job_id = rig.add("fill_disk", epochs=EPOCHS)
    rig.run(attempt, rig.home, job_id)
    assert_no_space(rig, job_id)
    following = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, following)
    assert rig.record(following).status is JobStatus.SUCCEEDED


def test_a_disk_that_runs_full_of_checkpoints_and_files(
    rig_on_small_disk: Rig, small_disk: SmallDisk
) -> None:
    """Room for two checkpoints, and for one file beside them."""
    rig = rig_on_small_disk
    small_disk.fill(leave=LARGE_FILE + 60_000)
    job_id = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, job_id)
    assert_no_space(rig, job_id)
    small_disk.free()
    following = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, following)
    assert rig.record(following).status is JobStatus.SUCCEEDED


def test_a_job_too_large_for_the_disk_is_not_begun(rig_on_small_disk: Rig) -> None:
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
    assert rig.jobs.epochs(job_id) == []


def test_a_full_disk_under_the_database(
    context: ForkServerContext, tmp_path: Path, small_disk: SmallDisk
) -> None:
    """POST answers 503 and stores nothing, or 202 and stores all; then there is space again."""
    home = Home(small_disk.folder, f"redis+socket://{tmp_path}/no-redis.sock", tmp_path / "files")
    with TestClient(create_app(home.api), raise_server_exceptions=False) as client:
        taken = {post(client).json()["id"]}
        small_disk.fill()
        answers = [post(client) for _ in range(40)]
        refused = [answer for answer in answers if answer.status_code != 202]
        assert refused
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.json()["code"] for answer in refused} == {"unavailable"}
        taken |= {answer.json()["id"] for answer in answers if answer.status_code == 202}
        assert {each["id"] for each in client.get("/jobs?limit=100").json()["items"]} == taken
        small_disk.free()
        answer = post(client)
        assert answer.status_code == 202
        taken.add(answer.json()["id"])
    rig = Rig(home, context)
    rows = rig.rows()
    assert rows["jobs"] == rows["events"] == rows["outbox"] == len(taken)
    with rig.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    rig.database.close()


def post(client: TestClient) -> Any:
    return client.post("/jobs", json=IRIS)


def assert_no_space(rig: Rig, job_id: str) -> None:
    """It has failed at once, for that reason, and nothing of it is left."""
    record = rig.record(job_id)
    assert (record.status, record.reason_code) == (JobStatus.FAILED, EndCode.NO_SPACE)
    assert (record.attempt, record.crash_count) == (1, 0)
    assert record.artifacts == ()
    assert not list(rig.folder.glob(".checkpoints/*"))
    rig.assert_whole(job_id)


def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a disk of 2 MiB be large enough to begin with."""
    monkeypatch.setattr("service.datasets.space.MARGIN_BYTES", 0)


def test_a_disk_that_runs_full_while_a_data_set_comes(
    tmp_path: Path, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, whole or in parts, and nothing of it is left; with space again it can be sent."""
    room(monkeypatch)
    broker = f"redis+socket://{tmp_path}/no-redis.sock"
    home = Home(tmp_path, broker, small_disk.folder / "artifacts")
    rows = b"".join(b"%d,%d\n" % (n, n % 7) for n in range(30_000))
    half, large = (b"a,b\n" + rows * times for times in (5, 10))  # of 1.1 and of 2.2 MiB
    with TestClient(create_app(home.api), raise_server_exceptions=False) as client:

        def refused(method: str, path: str, **body: Any) -> None:
            answer = client.request(method, path, **body)
            assert (answer.status_code, answer.json()["code"]) == (503, "insufficient-storage")
            assert answer.headers["Retry-After"]

        def files() -> list[Path]:
            found = small_disk.folder.rglob("*.*")
            return [path for path in found if path.is_file() and path.name != MARKER]

        refused("POST", "/datasets", content=large)  # it says how large it is
        refused("POST", "/datasets", content=iter([large]))  # it does not
        refused("POST", "/uploads", json={"name": "x", "bytes": len(large)})
        assert files() == []
        upload = client.post("/uploads", json={"name": "x", "bytes": len(half)}).json()
        assert client.put(f"/uploads/{upload['id']}/parts/1", content=half).status_code == 204
        refused("POST", f"/uploads/{upload['id']}/complete")  # parts and whole do not fit both
        refused("PUT", f"/uploads/{upload['id']}/parts/1", content=half)
        assert len(files()) == 1
        assert client.delete(f"/uploads/{upload['id']}").status_code == 204
        assert client.post("/datasets", content=half).status_code == 201
