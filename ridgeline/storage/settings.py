"""Settings shared by service and worker: where records, files and the broker are."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

NO_BROKER = "none"
"""RIDGELINE_REDIS_URL where there is no broker."""
_BROKER_SCHEMES = ("redis://", "rediss://", "redis+socket://")


def _in_working_folder() -> Path:
    return Path(".ridgeline").absolute()


def _sqlite_in_home(data: dict[str, Any]) -> SecretStr:
    return SecretStr(f"sqlite:///{data['home'] / 'ridgeline.db'}")


def _artifacts_in_home(data: dict[str, Any]) -> Path:
    return Path(data["home"] / "artifacts")


def _none(url: object) -> object:
    return None if url == NO_BROKER else url


def _broker(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(_BROKER_SCHEMES):
        schemes = ", ".join(_BROKER_SCHEMES)
        raise ValueError(f"expected a URL that starts with one of {schemes}, or {NO_BROKER!r}")
    return url


class StorageSettings(BaseSettings):
    """Settings from the environment variables `RIDGELINE_*`; an empty one counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix="RIDGELINE_",
        env_ignore_empty=True,
        frozen=True,
        # Messages about bad settings are logged, and the value may be a password.
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    home: Annotated[Path, AfterValidator(Path.absolute)] = Field(default_factory=_in_working_folder)
    """The folder for everything without a location of its own; default `.ridgeline` in the working
    folder."""
    database_url: SecretStr = Field(default_factory=_sqlite_in_home)
    """`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; default SQLite in `home`."""
    artifacts_dir: Path = Field(default_factory=_artifacts_in_home)
    """The folder of published files; default in `home`."""
    artifacts_url: str | None = None
    """The bucket to use instead, `s3://BUCKET/PREFIX`; the folder then holds what attempts on this
    machine have not published yet. Endpoint and keys are in `AWS_*`."""
    redis_url: Annotated[SecretStr | None, BeforeValidator(_none), AfterValidator(_broker)] = (
        SecretStr("redis://127.0.0.1:6379/0")
    )
    """The broker: `redis://`, `rediss://` (TLS, verified) or `redis+socket:///FILE`; `none`: no
    broker, workers find jobs by polling the database."""
    lease_s: Annotated[float, Field(gt=0)] = 30.0
    """Seconds without a heartbeat after which a worker loses its job."""
    crash_cap: Annotated[int, Field(ge=1)] = 3
    """Crashes since the last new checkpoint after which a job fails instead of being retried."""
    garbage_interval_s: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds between two searches for files without a record."""
    garbage_age_s: Annotated[float, Field(ge=3600)] = 86_400.0
    """The age in seconds at which such a file is deleted."""
