"""The engine's interface to its surroundings: what it reports, and what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode
from ridgeline.api.report import Report

Rows = npt.NDArray[np.float32]


class Reader(Protocol):
    """Runs the exported file of one output, without our code."""

    def start(self, folder: Path, batches: Sequence[Rows]) -> None:
        """Load the file in `folder` and predict each of `batches`, while this process goes on."""

    def predictions(self) -> list[Rows]:
        """The predictions for the batches of the last start(); raises Unreadable."""


class Unreadable(Exception):
    """A runtime cannot load or run a file; the message says why."""


class TrainingContext(Protocol):
    """All that the engine knows of its surroundings."""

    workdir: Path
    """An empty folder that belongs to this attempt; exported files are written into it."""
    checkpoints: Path | None
    """A folder of the job that outlives the attempt; None keeps no checkpoints."""
    checkpoint_interval_s: float
    """Minimum seconds between checkpoints; 0 writes one after every epoch."""
    dataset_file: Path | None
    """The file of a stored data set; None if the spec names none."""
    readers: Mapping[str, Reader]
    """By output: files of others are published unchecked."""

    def phase(self, name: str) -> None:
        """Report what starts now: "training" for the epochs, any other word elsewhere.

        Between epochs, a new phase is the only sign of progress.
        """

    def resumed(self, rows: Sequence[EpochRow]) -> None:
        """Report the epochs before this attempt, when it resumes from a checkpoint.

        All of them from the first epoch, before epoch_ended() reports the next.
        """

    def epoch_ended(self, row: EpochRow) -> None:
        """Report an epoch's measurements."""

    def stop_requested(self) -> bool:
        """Whether training should end now, without a result; asked after every epoch."""


@dataclass
class InMemoryContext:
    """A context that keeps what is reported, for tests, benchmarks and notebooks."""

    workdir: Path
    rows: list[EpochRow] = field(default_factory=list)
    stop_after: int | None = None
    """Ask to stop after this many epochs."""
    checkpoints: Path | None = None
    checkpoint_interval_s: float = 0.0
    dataset_file: Path | None = None
    phases: list[str] = field(default_factory=list)
    readers: Mapping[str, Reader] = field(default_factory=dict)

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
    """A file in the workdir, to be published under its name."""

    path: Path
    media_type: str

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.path.name


@dataclass(frozen=True)
class RefusedOutput:
    """An output that is not published: no file of it predicts what the model does."""

    output: str
    pointer: str
    """JSON pointer into the spec, such as `/outputs/2`."""
    detail: str


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training: final metrics, files to publish, and report."""

    metrics: dict[str, float | None]
    files: tuple[ExportedFile, ...]
    report: Report | None = None
    detail: str | None = None
    """How training ended, for the user; None if with its last epoch and that one's weights."""
    refused: tuple[RefusedOutput, ...] = ()


class TrainingFailed(Exception):
    """Training cannot succeed; `detail` says what to change, `report` holds the diagnosis."""

    def __init__(self, code: EndCode, detail: str, report: Report | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.report = report


class TrainingStopped(Exception):
    """The context asked to stop."""
