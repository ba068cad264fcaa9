"""API and worker as processes with a store that belongs to another database."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from ridgeline.api.job import JobStatus
from ridgeline.cli.errors import ExitCode
from ridgeline.cli.main import app
from ridgeline.storage import (
    ArtifactStore,
    Database,
    JobStore,
    LeaseStore,
    LocalArtifacts,
    NewJob,
    artifact_key,
)
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.marker import MARKER
from ridgeline.storage.ownership import IdentityStore, Ownership, StoreLocation
from service.__main__ import STARTUP_FAILURE
from service.main import create_app
from service.settings import Settings
from tests.integration.artifacts.link import Link
from tests.rig.process import ROOT, base_environment, poll
from tests.rig.workers import Worker

END_S = 60.0
CSV = b"a,b\n" + b"1,x\n2,y\n" * 10


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The database that API and worker use, in `tmp_path`."""
    with closing(Database(f"sqlite:///{tmp_path / 'ridgeline.db'}")) as database:
        database.migrate()
        yield database


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'other.db'}")) as database:
        database.migrate()
        yield database


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """There is no broker at the configured address."""
    nobody = f"redis+socket://{tmp_path}/none.sock"
    return {"RIDGELINE_HOME": str(tmp_path), "RIDGELINE_REDIS_URL": nobody}


@pytest.fixture
def ridgeline(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command, with the settings of API and worker."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def ended(module: str, settings: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a program that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", *module.split()],
        env={**base_environment(), **settings, "CUDA_VISIBLE_DEVICES": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=END_S,
    )


def leave_a_model(database: Database, store: ArtifactStore) -> str:
    """Leave a file of a job of this database, two days old by the clock of a folder."""
    job = JobStore(database).create(NewJob(spec="{}", resolved="{}", epochs=1)).record
    claim = LeaseStore(database).claim(job.id, "test")
    assert claim is not None
    file = store.staging(job.id, claim.fence) / "model.keras"
    file.write_bytes(b"x")
    return store.publish(file, artifact_key(job.id, claim.fence, file.name)).key


def test_api_and_worker_refuse_a_foreign_store_with_a_hint(
    database: Database,
    other: Database,
    tmp_path: Path,
    settings: dict[str, str],
    ridgeline: Callable[..., Result],
) -> None:
    """The file of the database was deleted, but not the folder: a user wants to start over."""
    store = LocalArtifacts(tmp_path / "artifacts")
    key = leave_a_model(other, store)
    Ownership(other, StoreLocation(store)).compare()
    words = [IdentityStore(other).get(), IdentityStore(database).get(), MARKER, "ridgeline adopt"]
    api = ended("service", {**settings, "RIDGELINE_PORT": "0"})
    worker = ended("tests.rig.worker", settings)
    assert (api.returncode, worker.returncode) == (STARTUP_FAILURE, os.EX_CONFIG)
    for said in (api.stderr, worker.stderr):
        (line,) = (line for line in said.splitlines() if str(store.marker.place) in line)
        assert [word for word in words if word not in line] == []
    assert "Traceback" not in api.stderr + worker.stderr
    assert store.size(key) == 1

    adopted = ridgeline("adopt", "--yes", "--json")
    assert json.loads(adopted.stdout) == {
        "database": IdentityStore(database).get(),
        "marks": {str(tmp_path / "artifacts"): IdentityStore(other).get()},
        "belongs": False,
        "known": 0,
        "unknown": 1,
    }
    with TestClient(create_app(Settings())) as client:
        assert client.get("/readyz").json()["artifacts"] == "up"
    assert store.size(key) == 1  # no job of this database has begun, so nothing is garbage yet


def test_adopt_prompts_and_can_renew_the_identity(
    database: Database, tmp_path: Path, ridgeline: Callable[..., Result]
) -> None:
    store = LocalArtifacts(tmp_path / "artifacts")
    Ownership(database, StoreLocation(store)).compare()
    before = IdentityStore(database).get()
    again = ridgeline("adopt")
    assert (again.exit_code, "nothing to do" in again.stderr) == (ExitCode.OK, True)
    refused = ridgeline("adopt", "--new-identity")
    assert (refused.exit_code, "pass --yes" in refused.stderr) == (ExitCode.USAGE, True)
    assert IdentityStore(database).get() == before
    assert ridgeline("adopt", "--new-identity", "--yes").exit_code == ExitCode.OK
    assert IdentityStore(database).get() != before
    Ownership(database, StoreLocation(store)).compare()


def test_adopt_lists_what_will_be_deleted(
    database: Database, other: Database, tmp_path: Path, ridgeline: Callable[..., Result]
) -> None:
    store = LocalArtifacts(tmp_path / "artifacts")
    leave_a_model(database, store)
    leave_a_model(other, store)
    Ownership(other, StoreLocation(store)).compare()
    said = ridgeline("adopt")
    assert said.exit_code == ExitCode.USAGE
    assert "known     1 of" in said.stdout
    assert "unknown   1\nThe running service deletes unknown files" in said.stdout


def test_adopt_creates_no_database(tmp_path: Path, ridgeline: Callable[..., Result]) -> None:
    nowhere = ridgeline("adopt", "--home", str(tmp_path / "none"), "--yes")
    assert nowhere.exit_code == ExitCode.FAILED
    assert "there is no database" in nowhere.stderr
    assert not (tmp_path / "none" / "ridgeline.db").exists()


def test_api_detects_a_foreign_store_later(
    other: Database, link: Link, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The bucket is unreachable at its start; nothing is stored or deleted then."""
    store = ObjectArtifacts(url, tmp_path / "scratch")
    key = leave_a_model(other, store)
    store.attempt_checkpoints("job_x", 1)
    Ownership(other, StoreLocation(store)).compare()
    link.cut()
    settings = Settings(
        home=tmp_path, artifacts_url=url, redis_url=f"redis+socket://{tmp_path}/none.sock"
    )
    with TestClient(create_app(settings)) as client:
        link.mend()
        answer = client.post("/datasets?name=x", content=CSV)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
        assert "Operators" in answer.json()["detail"]
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["artifacts"]) == ("degraded", "foreign")
    assert "files of jobs are not available" in caplog.text
    assert IdentityStore(other).get() in caplog.text
    assert store.size(key) == 1


def test_worker_detects_a_foreign_store_later(
    database: Database,
    other: Database,
    link: Link,
    url: str,
    tmp_path: Path,
    settings: dict[str, str],
) -> None:
    """It ends, and the queued job waits for another worker."""
    Ownership(other, StoreLocation(ObjectArtifacts(url, tmp_path / "other"))).compare()
    jobs = JobStore(database)
    job = jobs.create(NewJob(spec="{}", resolved="{}", epochs=1)).record
    link.cut()
    bucket = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    more = {"RIDGELINE_ARTIFACTS_URL": url, "RIDGELINE_POLL_INTERVAL_S": "0.2"}
    with Worker("worker", tmp_path, {**settings, **bucket, **more}) as worker:
        poll("the worker to wait", lambda: "jobs_stay_queued" in worker.log.read_text(), END_S)
        link.mend()
        assert worker.wait(END_S) == os.EX_CONFIG
        assert "worker_cannot_go_on" in worker.log.read_text()
    found = jobs.get(job.id)
    assert found is not None
    assert (found.status, found.attempt) == (JobStatus.QUEUED, 0)


def test_scratch_folder_that_is_a_foreign_store_is_rejected(
    database: Database,
    other: Database,
    url: str,
    tmp_path: Path,
    settings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    ridgeline: Callable[..., Result],
) -> None:
    """A worker with a bucket would delete files in it."""
    scratch = StoreLocation(LocalArtifacts(tmp_path / "artifacts"))
    Ownership(other, scratch).compare()
    bucket = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    worker = ended("tests.rig.worker", {**settings, **bucket, "RIDGELINE_ARTIFACTS_URL": url})
    assert worker.returncode == os.EX_CONFIG
    assert str(tmp_path / "artifacts") in worker.stderr
    monkeypatch.setenv("RIDGELINE_ARTIFACTS_URL", url)
    assert ridgeline("adopt", "--yes").exit_code == ExitCode.OK
    Ownership(database, scratch, StoreLocation(ObjectArtifacts(url, tmp_path / "x"))).compare()
