"""The messages between a trainer and its supervisor over their pipe: JSON, never pickles."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndReason
from ridgeline.api.log import LogLevel
from ridgeline.api.report import Report
from ridgeline.planning.advice import Advice
from ridgeline.spec.schema import Contract

MAX_MESSAGE_BYTES = 16 * 2**20
_MAX_RESUMED_ROWS = 1000
_MAX_RESUMED_BYTES = MAX_MESSAGE_BYTES // 4


class Epoch(Contract):
    """An epoch has ended."""

    kind: Literal["epoch"] = "epoch"
    row: EpochRow


class Phase(Contract):
    """Training has entered a phase: the epochs, or something before or after them."""

    kind: Literal["phase"] = "phase"
    name: Annotated[str, Field(min_length=1, max_length=100)]


class Resumed(Contract):
    """Training resumes after the epoch `until`; a slice of the rows up to it, in order."""

    kind: Literal["resumed"] = "resumed"
    until: Annotated[int, Field(ge=1)]
    rows: tuple[EpochRow, ...]


class File(Contract):
    """A file in the attempt's workdir, ready to be published."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
    media_type: str


class Finished(Contract):
    """Training has succeeded."""

    kind: Literal["finished"] = "finished"
    metrics: dict[str, float | None]
    files: tuple[File, ...]
    report: Report | None = None
    detail: Annotated[str, Field(max_length=2000)] | None = None
    """How training ended; null if with its last epoch and that one's weights."""
    refused: tuple[Advice, ...] = ()
    """A remark for each output that is not published."""


class Failed(Contract):
    """Training cannot succeed."""

    kind: Literal["failed"] = "failed"
    reason: EndReason
    report: Report | None = None


class Stopped(Contract):
    """Training has ended on request."""

    kind: Literal["stopped"] = "stopped"


class LogMessage(Contract):
    """A log line."""

    kind: Literal["log"] = "log"
    at: float
    """Seconds since 1970."""
    level: LogLevel
    event: str
    fields: str
    """A JSON object."""


class Stop(Contract):
    """A request to end training without a result."""

    kind: Literal["stop"] = "stop"


FromTrainer = Annotated[
    Phase | Epoch | Resumed | LogMessage | Finished | Failed | Stopped, Field(discriminator="kind")
]
_FROM_TRAINER: TypeAdapter[FromTrainer] = TypeAdapter(FromTrainer)


def resumed_messages(rows: Sequence[EpochRow]) -> Iterator[Resumed]:
    """All rows up to a checkpoint, in messages that are short enough for the pipe."""
    batch: list[EpochRow] = []
    size = 0
    for row in rows:
        length = len(row.model_dump_json())
        full = len(batch) == _MAX_RESUMED_ROWS or size + length > _MAX_RESUMED_BYTES
        if batch and full:
            yield Resumed(until=rows[-1].epoch, rows=tuple(batch))
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield Resumed(until=rows[-1].epoch, rows=tuple(batch))


def encode(message: Contract) -> bytes:
    """The message as bytes for the pipe."""
    return message.model_dump_json().encode()


def decode_from_trainer(data: bytes) -> FromTrainer:
    """A trainer's message; raises pydantic.ValidationError for anything else."""
    return _FROM_TRAINER.validate_json(data)


def decode_stop(data: bytes) -> Stop:
    """A supervisor's message; raises pydantic.ValidationError for anything else."""
    return Stop.model_validate_json(data)
