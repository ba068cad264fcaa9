"""The real application on a real SQLite file and a real folder of artifacts."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import ArtifactRecord, Claim, LeaseStore, artifact_key
from ridgeline.storage.tables import metadata
from service.http.documentation import IRIS
from service.main import create_app
from service.services import Services
from service.settings import Settings

COMPLETED = EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")


class Worker:
    """Writes to the database what a worker writes, without training."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._leases = LeaseStore(services.database)

    def claim(self, job_id: str) -> Claim:
        claim = self._leases.claim(job_id, "test")
        assert claim is not None
        return claim

    def epochs(self, claim: Claim, *rows: EpochRow) -> None:
        assert self._leases.record_epochs(claim, rows, 1.5) is not None

    def publish(self, claim: Claim, name: str, content: bytes) -> ArtifactRecord:
        folder = self._services.artifacts.staging(claim.job_id, claim.fence)
        (folder / name).write_bytes(content)
        stored = self._services.artifacts.publish(
            folder / name, artifact_key(claim.job_id, claim.fence, name)
        )
        return ArtifactRecord(
            name=name,
            key=stored.key,
            bytes=stored.bytes,
            sha256=stored.sha256,
            xxh3=stored.xxh3,
            media_type="application/vnd.keras",
        )

    def finish(
        self,
        claim: Claim,
        status: JobStatus = JobStatus.SUCCEEDED,
        artifacts: tuple[ArtifactRecord, ...] = (),
        reason: EndReason = COMPLETED,
        report: str | None = None,
    ) -> None:
        assert self._leases.finish(
            claim,
            status,
            reason,
            metrics={"loss": 0.5, "val_loss": None},
            artifacts=artifacts,
            report=report,
        )

    def train(self, job_id: str, epochs: int = 3, **files: bytes) -> None:
        """Run a queued job to its end; a file `model_keras` is published as `model.keras`."""
        claim = self.claim(job_id)
        self.epochs(claim, *(epoch_row(number) for number in range(1, epochs + 1)))
        published = [
            self.publish(claim, name.replace("_", "."), content) for name, content in files.items()
        ]
        self.finish(claim, artifacts=tuple(published))


def epoch_row(epoch: int, **values: float | None) -> EpochRow:
    return EpochRow(
        epoch=epoch,
        values=values or {"loss": 1 / epoch, "val_loss": 2 / epoch},
        penalty_by_layer={"dense/kernel/l2": 0.25},
        seconds=0.5,
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a broker that is down."""
    return Settings(
        home=tmp_path,
        redis_url=f"redis+socket://{tmp_path}/no-redis.sock",
        watch_interval_s=0.005,
    )


@pytest.fixture(scope="session")
def built_routes() -> list[BaseRoute]:
    """Share the routes of one application: building them takes longer than most tests."""
    return create_app(Settings()).router.routes


@pytest.fixture
def app(settings: Settings, built_routes: list[BaseRoute]) -> FastAPI:
    app = create_app(settings)
    app.router.routes[:] = built_routes
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client of the running application; errors become a 500, as on a server."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


class _Server(uvicorn.Server):
    """Stops as the service does, without the exit after a timeout: it would end the tests."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app: Any = self.config.app
        app.state.services.watcher.close()
        await super().shutdown(sockets)


@pytest.fixture
def served(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the application behind a real socket, where an answer may have no end."""
    config = uvicorn.Config(
        app, port=0, loop="uvloop", http="httptools", log_config=None, timeout_graceful_shutdown=5
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def services(app: FastAPI, client: httpx.Client) -> Services:
    found: Services = app.state.services
    return found


@pytest.fixture
def worker(services: Services) -> Worker:
    return Worker(services)


@pytest.fixture
def submit(client: httpx.Client) -> Callable[..., str]:
    """Post a job, and return its id; arguments replace parts of the spec."""

    def post(**changes: Any) -> str:
        answer = client.post("/jobs", json={**IRIS, **changes})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    return post


@pytest.fixture
def stored(services: Services) -> Callable[[], dict[str, int]]:
    """How many rows every table holds."""

    def rows() -> dict[str, int]:
        with services.database.read() as connection:
            return {
                name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for name, table in metadata.tables.items()
            }

    return rows


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
