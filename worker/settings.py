"""The worker's settings."""

import ctypes
import os
import sys
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from ridgeline.storage.settings import StorageSettings


def _http(url: SecretStr) -> SecretStr:
    # MLflow takes whatever else for a folder, and would write there without a word.
    if not url.get_secret_value().startswith(("http://", "https://")):
        raise ValueError("expected a URL that starts with http:// or https://")
    return url


Seconds = Annotated[float, Field(gt=0)]

#: Variables that hold credentials, and those by which Celery would override our own settings.
_CREDENTIALS = ("RIDGELINE_DATABASE_URL", "RIDGELINE_REDIS_URL")
_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "CELERY_", "MLFLOW_")
_PR_SET_DUMPABLE = 4


class WorkerSettings(StorageSettings):
    """Read from `RIDGELINE_*` variables."""

    worker_concurrency: Annotated[int, Field(ge=1)] | None = None
    """Attempts at once. Default: one per GPU, or one where there is none."""
    heartbeat_s: Seconds = 10.0
    """How often the lease is renewed; a cancellation is learned of as often."""
    poll_interval_s: Seconds = 10.0
    """How often the database is asked for jobs that no hint has told of."""
    progress_interval_s: Seconds = 0.05
    """How often epochs are written at most; less often, down to 0.2 s, where that takes long."""
    checkpoint_interval_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    """The least time from one checkpoint of a training to the next; 0: one after every epoch."""
    datasets_url: str | None = None
    """A copy of Keras's folder of data sets, `s3://BUCKET/PREFIX`, to fetch missing files from."""
    mlflow_url: Annotated[SecretStr, AfterValidator(_http)] | None = None
    """An MLflow server that every job is logged to, `http://USER:PASSWORD@HOST:PORT`."""
    mlflow_experiment: Annotated[str, Field(min_length=1)] = "ridgeline"
    """The experiment there whose runs the jobs are."""
    hang_timeout_s: Seconds = 3600.0
    """How long a trainer may make no progress; one epoch, or any phase beside them, must fit."""
    hang_floor_s: Seconds = 300.0
    """How long it may make none at least, however quick its epochs have been."""
    trainer_memory_bytes: Annotated[int, Field(ge=2**29)] | None = None
    """How much memory of its own a trainer may have, 450 MB of TensorFlow's included."""
    cancel_grace_s: Seconds = 10.0
    """How long a trainer that is told to stop may take before it is killed."""

    @model_validator(mode="after")
    def _lease_outlives_silence(self) -> "WorkerSettings":
        # No beat is sent while a trainer is being stopped.
        if self.heartbeat_s + self.cancel_grace_s >= self.lease_s:
            raise ValueError(
                "expected lease_s to be more than heartbeat_s + cancel_grace_s: a job would be"
                " taken from this worker while it stops the job"
            )
        return self


def forget_credentials() -> None:
    """Remove the credentials from the environment, before other processes start.

    Whoever needs them has read them by then: the settings, and the stores in buckets.
    """
    for name in list(os.environ):
        if name.upper() in _CREDENTIALS or name.upper().startswith(_PREFIXES):
            del os.environ[name]


def hide_first_environment() -> None:
    """Keep a trainer of the same user from reading what this process was started with.

    What is removed from os.environ still stands in /proc/PID/environ, which Linux shows to nobody
    but root once the process is not dumpable.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
