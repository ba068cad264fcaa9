"""The client over real sockets: an API as a process, behind a network that can fail."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ridgeline import Client
from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.api.log import LogLevel, LogSource
from ridgeline.client import Retries
from ridgeline.storage import (
    ArtifactRecord,
    Claim,
    Database,
    LeaseStore,
    LogLine,
    artifact_key,
    open_artifacts,
)
from tests.rig.api import Api
from tests.rig.proxy import Proxy

PART_BYTES = 2**20
MOST_BYTES = 8 * 2**20
COMPLETED = EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")
QUICK = Retries(first_pause_s=0.01, longest_pause_s=0.1, patience_s=30)


class Worker:
    """Writes to the database what a worker writes, without training."""

    def __init__(self, home: Path) -> None:
        self._database = Database(f"sqlite:///{home}/ridgeline.db")
        self._artifacts = open_artifacts(None, home / "artifacts")
        self._leases = LeaseStore(self._database)

    def close(self) -> None:
        self._database.close()

    def claim(self, job_id: str) -> Claim:
        claim = self._leases.claim(job_id, "test")
        assert claim is not None
        return claim

    def epochs(self, claim: Claim, *epochs: int, **values: float) -> None:
        rows = [
            EpochRow(
                epoch=epoch,
                values={
                    "loss": 1 / epoch + 0.25,
                    "data_loss": 1 / epoch,
                    "penalty": 0.25,
                    "train_data_loss": 0.9 / epoch,
                    "val_loss": 1.2 / epoch + 0.35,
                    "val_data_loss": 1.2 / epoch + 0.1,
                    **values,
                },
                penalty_by_layer={"dense/kernel/l2": 0.25},
                seconds=0.5,
            )
            for epoch in epochs
        ]
        assert self._leases.record_epochs(claim, rows, 1.5) is not None

    def logs(self, claim: Claim, event: str, level: LogLevel = LogLevel.INFO) -> None:
        line = LogLine(datetime.now(UTC), level, LogSource.WORKER, event, "{}")
        assert self._leases.write_log(claim, [line]) is not None

    def finish(self, claim: Claim, **files: bytes) -> None:
        """Finish the job; a file `model_keras` is published as `model.keras`."""
        published = tuple(
            self._publish(claim, name.replace("_", "."), content) for name, content in files.items()
        )
        assert self._leases.finish(
            claim,
            JobStatus.SUCCEEDED,
            COMPLETED,
            metrics={"loss": 0.5},
            artifacts=published,
            report=None,
        )

    def _publish(self, claim: Claim, name: str, content: bytes) -> ArtifactRecord:
        folder = self._artifacts.staging(claim.job_id, claim.fence)
        (folder / name).write_bytes(content)
        key = artifact_key(claim.job_id, claim.fence, name)
        stored = self._artifacts.publish(folder / name, key)
        return ArtifactRecord(
            name=name,
            key=stored.key,
            bytes=stored.bytes,
            sha256=stored.sha256,
            xxh3=stored.xxh3,
            media_type="application/vnd.keras",
        )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def api(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """No server listens at the broker's address: jobs are accepted without it."""
    settings = {
        "RIDGELINE_HOME": str(home),
        "RIDGELINE_REDIS_URL": f"redis+socket://{home}/none.sock",
        "RIDGELINE_WATCH_INTERVAL_S": "0.005",
        "RIDGELINE_SHUTDOWN_GRACE_S": "1",
        "RIDGELINE_UPLOAD_PART_BYTES": str(PART_BYTES),
        "RIDGELINE_MAX_DATASET_BYTES": str(MOST_BYTES),
    }
    with Api("api", tmp_path_factory.mktemp("api"), settings) as running:
        yield running


@pytest.fixture
def worker(home: Path, api: Api) -> Iterator[Worker]:
    """Requires the API, which creates the database."""
    worker = Worker(home)
    yield worker
    worker.close()


@pytest.fixture
def proxy(api: Api) -> Iterator[Proxy]:
    with Proxy(api.port) as between:
        yield between


@pytest.fixture
def ridgeline(proxy: Proxy) -> Iterator[Client]:
    with connect(f"http://127.0.0.1:{proxy.port}") as client:
        yield client


def connect(url: str) -> Client:
    # With a transport, no proxy that the environment names is used.
    return Client(url, transport=httpx.HTTPTransport(), retries=QUICK)
