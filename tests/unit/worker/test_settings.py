"""Settings, and the removal of credentials from the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from ridgeline.storage.settings import StorageSettings
from worker.settings import WorkerSettings, forget_credentials


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("RIDGELINE_", "CELERY_")):
            monkeypatch.delenv(name)


def test_default_paths_are_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = StorageSettings()
    assert settings.home == tmp_path / ".ridgeline"
    assert settings.database_url.get_secret_value() == f"sqlite:///{settings.home}/ridgeline.db"
    assert settings.artifacts_dir == settings.home / "artifacts"
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"


def test_home_setting_moves_database_and_artifacts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RIDGELINE_HOME", str(tmp_path))
    monkeypatch.setenv("RIDGELINE_DATABASE_URL", "")  # as docker compose passes an unset variable
    settings = StorageSettings()
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/ridgeline.db"
    assert settings.artifacts_dir == tmp_path / "artifacts"


def test_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIDGELINE_HOME", "here")
    assert StorageSettings().home == tmp_path / "here"


def test_none_stands_for_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGELINE_REDIS_URL", "none")
    assert StorageSettings().redis_url is None


def test_credentials_are_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGELINE_DATABASE_URL", "postgresql://user:hunter2@host/name")
    monkeypatch.setenv("RIDGELINE_REDIS_URL", "rediss://:hunter2@host:6379/0")
    assert "hunter2" not in repr(WorkerSettings())


def test_error_for_a_bad_url_hides_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGELINE_REDIS_URL", "amqp://user:hunter2@host")
    with pytest.raises(ValidationError, match="expected a URL that starts with") as caught:
        WorkerSettings()
    assert "hunter2" not in str(caught.value)


def test_forget_credentials_removes_them_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RIDGELINE_DATABASE_URL", "postgresql://user:hunter2@host/name")
    monkeypatch.setenv("RIDGELINE_REDIS_URL", "redis://:hunter2@host:6379/0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:hunter2@elsewhere:6379/0")
    settings = WorkerSettings()
    forget_credentials()
    assert settings.redis_url is not None
    assert "hunter2" in settings.redis_url.get_secret_value()
    assert not [name for name, value in os.environ.items() if "hunter2" in value]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_CONCURRENCY", "0"),
        ("LEASE_S", "-1"),
        ("LEASE_S", "15"),  # heartbeat and grace together take 20
        ("HEARTBEAT_S", "nan"),
        ("CRASH_CAP", "0"),
        ("CHECKPOINT_INTERVAL_S", "-1"),
        ("CHECKPOINT_INTERVAL_S", "inf"),
    ],
)
def test_invalid_settings_are_rejected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"RIDGELINE_{name}", value)
    with pytest.raises(ValidationError):
        WorkerSettings()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_first_environment_is_hidden_from_other_processes() -> None:
    """PR_GET_DUMPABLE is 3; 0 means that only root can read /proc/PID/environ."""
    program = (
        "import ctypes; from worker.settings import hide_first_environment as hide; hide();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"0"


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "localhost:5000", "./runs", "databricks"])
def test_mlflow_url_must_be_http(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """MLflow's client would silently write into a folder of that name."""
    monkeypatch.setenv("RIDGELINE_MLFLOW_URL", url)
    with pytest.raises(ValidationError, match="expected a URL that starts with http"):
        WorkerSettings()
