"""What the engine tells the outside, and what it asks of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode
from ridgeline.api.report import Report


class TrainingContext(Protocol):
    """The engine's only way out."""

    workdir: Path
    """An empty folder of this attempt's own; exported files are written into it."""
    checkpoints: Path | None
    """A folder of the job that outlives the attempt; None: no checkpoints are kept."""
    checkpoint_interval_s: float
    """The least seconds from one checkpoint to the next; 0 means one after every epoch."""
    dataset_file: Path | None
    """The file of an uploaded data set; None where the spec has none."""

    def phase(self, name: str) -> None:
        """Take note of what comes now: "training" for the epochs, any other word elsewhere.

        Where no epochs end, a new phase is the only sign that training gets on.
        """

    def resumed(self, rows: Sequence[EpochRow]) -> None:
        """Take what the epochs before this attempt measured, where it goes on from a checkpoint.

        All of them, from the first epoch on, before epoch_ended() tells of the next.
        """

    def epoch_ended(self, row: EpochRow) -> None:
        """Take an epoch's measurements."""

    def stop_requested(self) -> bool:
        """Whether training should end now, without a result; asked after every epoch."""


@dataclass
class InMemoryContext:
    """A context that keeps what it is told: for tests, benchmarks and notebooks."""

    workdir: Path
    rows: list[EpochRow] = field(default_factory=list)
    stop_after: int | None = None
    """Ask to stop after this many epochs."""
    checkpoints: Path | None = None
    checkpoint_interval_s: float = 0.0
    dataset_file: Path | None = None
    phases: list[str] = field(default_factory=list)

    def phase(self, name: str) -> None:
        """Keep the name."""
        self.phases.append(name)

    def resumed(self, rows: Sequence[EpochRow]) -> None:
        """Keep the rows."""
        self.rows.extend(rows)

    def epoch_ended(self, row: EpochRow) -> None:
        """Keep the row."""
        self.rows.append(row)

    def stop_requested(self) -> bool:
        """Whether `stop_after` epochs have ended."""
        return self.stop_after is not None and len(self.rows) >= self.stop_after


@dataclass(frozen=True)
class ExportedFile:
    """A file the engine wrote into the workdir, to be published under its name."""

    path: Path
    media_type: str

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.path.name


@dataclass(frozen=True)
class TrainingResult:
    """What training gives: the final metrics, the files to publish, and the diagnosis."""

    metrics: dict[str, float | None]
    files: tuple[ExportedFile, ...]
    report: Report | None = None


class TrainingFailed(Exception):
    """Training cannot succeed; `detail` tells the user what to change, `report` what was seen."""

    def __init__(self, code: EndCode, detail: str, report: Report | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.report = report


class TrainingStopped(Exception):
    """The context asked to stop."""
