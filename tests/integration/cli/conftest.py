"""The command against a real API over a socket; tests write to its store what a worker does."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ridgeline.cli.errors import ExitCode
from ridgeline.cli.main import app
from tests.integration.client.conftest import Worker
from tests.rig.api import Api

SPEC: dict[str, Any] = {
    "name": "small",
    "dataset": {"source": "builtin", "name": "iris"},
    "model": {
        "layers": [
            {"type": "Dense", "units": 4, "activation": "relu"},
            {"type": "Dense", "units": 3, "activation": "softmax"},
        ]
    },
    "regularization": {"weights": {"l2": 0.001}},
    "training": {"loss": "sparse_categorical_crossentropy", "epochs": 3},
}


@dataclass(frozen=True)
class Ended:
    """The exit code of a command, and its output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, parsed as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Its output, line by line."""
        return self.out.splitlines()


Ridgeline = Callable[..., Ended]


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
def ridgeline(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ridgeline:
    """Runs a command in `tmp_path`, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIDGELINE_URL", api.url)

    def run(*arguments: str, stdin: str | None = None) -> Ended:
        result = CliRunner().invoke(app, [*arguments], input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A file with a spec that can be trained."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC, indent=2), encoding="utf-8")
    return path


@pytest.fixture
def submitted(ridgeline: Ridgeline, spec: Path) -> Callable[..., str]:
    """Submits a job, and returns its id; arguments are set in the spec."""

    def submit(*settings: str) -> str:
        options = [part for setting in settings for part in ("--set", setting)]
        ended = ridgeline("submit", str(spec), "--json", *options)
        assert ended.code == ExitCode.OK, ended.err
        return str(ended.json["id"])

    return submit


def train(worker: Worker, job_id: str, epochs: int = 3, **files: bytes) -> None:
    """Run a job from claim to success."""
    claim = worker.claim(job_id)
    for epoch in range(1, epochs + 1):
        worker.epochs(
            claim,
            epoch,
            loss=1 / epoch + 0.25,
            data_loss=1 / epoch,
            penalty=0.25,
            val_data_loss=2 / epoch,
            gap=1 / epoch,
            val_accuracy=0.5,
        )
    worker.finish(claim, **files)
