"""Settings of the API, from `RIDGELINE_*` in the environment."""

from pydantic import Field

from ridgeline.planning.resolve import DEFAULT_MEMORY_LIMIT
from ridgeline.storage.settings import StorageSettings


class Settings(StorageSettings):
    """Where the API listens, and what it accepts."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    max_body_bytes: int = Field(default=2**20, ge=1)
    """The largest request body; a larger one is refused before it is held."""
    body_timeout_s: float = Field(default=30.0, gt=0)
    """How long a client may take to send its body."""
    memory_limit_bytes: int = Field(default=DEFAULT_MEMORY_LIMIT, ge=1)
    """What training may take by the estimate; a larger spec is refused."""
    max_wait_s: float = Field(default=60.0, ge=0)
    """The longest a request may ask to wait for a change."""
    watch_interval_s: float = Field(default=0.02, gt=0)
    """How often the jobs that somebody waits for are looked at."""
    max_streams: int = Field(default=256, ge=1)
    """How many event streams may be open at once."""
    sweep_interval_s: float = Field(default=1.0, gt=0)
    """How often the outbox is looked through for hints that no POST has announced."""
    reap_interval_s: float = Field(default=5.0, gt=0)
    """How often jobs are looked for whose worker is silent."""
    redispatch_interval_s: float = Field(default=15.0, gt=0)
    """How often queued jobs are looked for whose hint was lost."""
    shutdown_grace_s: int = Field(default=10, ge=0)
    """How long downloads in progress may take once the API is told to stop."""
    signed_url_s: int = Field(default=300, ge=1, le=604_800)
    """How long the address of a redirected download is good; stores allow seven days at most."""
    max_dataset_bytes: int = Field(default=16 * 2**30, ge=1)
    """The largest file of a data set; a larger one is refused before it is read."""
    upload_part_bytes: int = Field(default=64 * 2**20, ge=2**16)
    """How large the parts are in which a file is uploaded that comes in parts."""
    upload_keep_s: float = Field(default=86_400.0, gt=0)
    """How long the parts of an upload are kept after the last of them has come."""
    inspection_memory_bytes: int = Field(default=2 * 2**30, ge=2**28)
    """What looking through an uploaded file may take; a file that needs more is refused."""
    inspection_timeout_s: float = Field(default=600.0, gt=0)
    """How long looking through an uploaded file may take."""
