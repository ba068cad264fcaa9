"""An upload: the resumable transfer of a large file, in parts."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from ridgeline.spec.dataset.contents import DatasetFormat, Sha256
from ridgeline.spec.schema import Contract, Label


class UploadRequest(Contract):
    """What is said of a large file before its parts are sent."""

    name: Label
    bytes: Annotated[int, Field(ge=1, le=2**53 - 1)]
    """Of the whole file."""
    format: DatasetFormat | None = None
    """Left out, the first bytes tell it."""
    sha256: Sha256 | None = None
    """Of the whole file: what the parts make up is compared with it."""


class Upload(Contract):
    """A large file on its way, in parts that may come in any order and more than once."""

    id: Annotated[str, Field(pattern=r"^up_[0-9a-f]{32}$")]
    name: str
    bytes: Annotated[int, Field(ge=1)]
    """Of the whole file."""
    part_bytes: Annotated[int, Field(ge=1)]
    """Of every part but the last, which has the rest."""
    parts: int
    """How many there are, numbered from 1."""
    received: tuple[int, ...]
    """The parts that are stored, ascending: send the others."""
    format: DatasetFormat | None
    """As the client says; null has the service look at the first bytes."""
    sha256: Sha256 | None
    """Of the whole file, as the client says."""
    created_at: datetime
    expires_at: datetime
    """When what was received is deleted unless another part comes."""
