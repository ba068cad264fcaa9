"""Settings of the API, from `RIDGELINE_*` in the environment."""

from pydantic import Field

from ridgeline.planning.resolve import DEFAULT_MEMORY_LIMIT
from ridgeline.storage.settings import StorageSettings


class Settings(StorageSettings):
    """Where the API listens, its limits, and its intervals."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    max_body_bytes: int = Field(default=2**20, ge=1)
    """The largest request body; a larger one is rejected before it is read into memory."""
    body_timeout_s: float = Field(default=30.0, gt=0)
    """How long a client may take to send its body."""
    memory_limit_bytes: int = Field(default=DEFAULT_MEMORY_LIMIT, ge=1)
    """The most memory that training may need by estimate; a larger spec is rejected."""
    max_wait_s: float = Field(default=60.0, ge=0)
    """The longest that a request may wait for a change."""
    watch_interval_s: float = Field(default=0.02, gt=0)
    """How often jobs that requests wait for are checked for changes."""
    max_streams: int = Field(default=256, ge=1)
    """How many event streams may be open at once."""
    sweep_interval_s: float = Field(default=1.0, gt=0)
    """How often the outbox is checked for unsent hints."""
    reap_interval_s: float = Field(default=5.0, gt=0)
    """How often jobs of silent workers are reclaimed."""
    redispatch_interval_s: float = Field(default=15.0, gt=0)
    """How often lost hints are replaced."""
    shutdown_grace_s: int = Field(default=10, ge=0)
    """How long downloads in progress may take when the API stops."""
    signed_url_s: int = Field(default=300, ge=1, le=604_800)
    """How long the URL of a redirected download is valid; stores allow at most seven days."""
    max_dataset_bytes: int = Field(default=16 * 2**30, ge=1)
    """The largest file of a data set; a larger one is rejected before it is read."""
    upload_part_bytes: int = Field(default=64 * 2**20, ge=2**16)
    """The size of the parts of an upload."""
    upload_keep_s: float = Field(default=86_400.0, gt=0)
    """How long the parts of an upload are kept after the last one was received."""
    inspection_memory_bytes: int = Field(default=2 * 2**30, ge=2**28)
    """The memory that inspecting a file may take; a file that needs more is rejected."""
    inspection_timeout_s: float = Field(default=600.0, gt=0)
    """How long inspecting a file may take."""
