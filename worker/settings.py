"""The worker's settings."""

import ctypes
import os
import sys
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from ridgeline.storage.settings import StorageSettings


def _http(url: SecretStr) -> SecretStr:
    # MLflow treats anything else as a folder and would silently write there.
    if not url.get_secret_value().startswith(("http://", "https://")):
        raise ValueError("expected a URL that starts with http:// or https://")
    return url


Seconds = Annotated[float, Field(gt=0)]

#: Variables with credentials, and those through which Celery would override our settings.
_CREDENTIALS = ("RIDGELINE_DATABASE_URL", "RIDGELINE_REDIS_URL")
_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "CELERY_", "MLFLOW_")
_PR_SET_DUMPABLE = 4


class WorkerSettings(StorageSettings):
    """Read from `RIDGELINE_*` variables."""

    worker_concurrency: Annotated[int, Field(ge=1)] | None = None
    """Attempts at once. Default: one per GPU, or one on a machine without GPUs."""
    heartbeat_s: Seconds = 10.0
    """How often the lease is renewed, and a cancellation noticed."""
    poll_interval_s: Seconds = 10.0
    """How often the database is polled for jobs that no hint announced."""
    progress_interval_s: Seconds = 0.05
    """The shortest time between two writes of epochs; up to 0.2 s where writing is slow."""
    checkpoint_interval_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    """The shortest time between two checkpoints of a training; 0: one after every epoch."""
    datasets_url: str | None = None
    """A copy of Keras's data set folder, `s3://BUCKET/PREFIX`, to fetch missing files from."""
    mlflow_url: Annotated[SecretStr, AfterValidator(_http)] | None = None
    """An MLflow server that every job is logged to, `http://USER:PASSWORD@HOST:PORT`."""
    mlflow_experiment: Annotated[str, Field(min_length=1)] = "ridgeline"
    """The experiment on that server in which jobs become runs."""
    hang_timeout_s: Seconds = 3600.0
    """How long a trainer may make no progress; one epoch, or any other phase, must fit."""
    hang_floor_s: Seconds = 300.0
    """The lower bound of that time, however quick the epochs were."""
    trainer_memory_bytes: Annotated[int, Field(ge=2**29)] | None = None
    """The most private memory a trainer may have, including 450 MB for TensorFlow."""
    cancel_grace_s: Seconds = 10.0
    """How long a trainer may take to stop before it is killed."""

    @model_validator(mode="after")
    def _lease_outlives_silence(self) -> "WorkerSettings":
        # No heartbeat is sent while a trainer is being stopped.
        if self.heartbeat_s + self.cancel_grace_s >= self.lease_s:
            raise ValueError(
                "expected lease_s to be more than heartbeat_s + cancel_grace_s; otherwise a lease"
                " could expire while its job is being stopped"
            )
        return self


def forget_credentials() -> None:
    """Remove the credentials from the environment before other processes start.

    The settings and the stores in buckets must have read them already.
    """
    for name in list(os.environ):
        if name.upper() in _CREDENTIALS or name.upper().startswith(_PREFIXES):
            del os.environ[name]


def hide_first_environment() -> None:
    """Keep a trainer, which runs as the same user, from reading this process's first environment.

    Variables removed from os.environ remain in /proc/PID/environ. Once the process is not
    dumpable, Linux shows that file to root alone.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
