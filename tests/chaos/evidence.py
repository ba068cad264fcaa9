"""The evidence of a run: records, downloaded files, and the history of clients and nemesis."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import httpx

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JobStatus
from ridgeline.storage import AttemptRecord, EventRecord, JobRecord, JobStore
from tests.chaos.history import Entry, Outcome
from tests.rig.stored import stored_epochs
from tests.rig.work import Work

_PAGE = 100
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Timing:
    """The time limits the servers ran with, in seconds."""

    lease_s: float
    heartbeat_s: float
    reap_s: float
    grace_s: float
    crash_cap: int = 3
    slack_s: float = 2.0
    """The extra time a busy machine may need."""

    @property
    def detection_s(self) -> float:
        """How soon a dead worker must be detected without another fault."""
        return self.lease_s + self.reap_s + self.slack_s

    @property
    def cancel_s(self) -> float:
        """How soon a running job must be cancelled without another fault."""
        return self.heartbeat_s + self.grace_s + self.slack_s


@dataclass(frozen=True)
class Story:
    """The records and downloads of one job."""

    record: JobRecord
    attempts: tuple[AttemptRecord, ...]
    events: tuple[EventRecord, ...]
    epochs: tuple[EpochRow, ...]
    downloads: Mapping[str, str | None]
    """The SHA-256 of the downloaded bytes by file name; None: the download failed."""

    @property
    def id(self) -> str:
        """The job's id."""
        return self.record.id

    @cached_property
    def work(self) -> Work:
        """The work encoded in the job's name."""
        return Work.named(str(self.record.name))

    @cached_property
    def seed(self) -> int:
        """The seed of the job."""
        return int(json.loads(self.record.resolved)["training"]["seed"])

    @property
    def good(self) -> bool:
        """Whether it can succeed."""
        return self.work.fault is None or not self.work.always

    @property
    def crashes(self) -> int:
        """Its crashes since the last new checkpoint, those that count towards the cap."""
        return self.record.crash_count - self.record.checkpoint_crashes

    @property
    def statuses(self) -> list[EventRecord]:
        """Its transitions."""
        return [event for event in self.events if event.after is not None]

    def expected_files(self) -> dict[str, str]:
        """The SHA-256 of the files that uninterrupted training publishes."""
        files = self.work.files(self.record.epochs, self.seed)
        return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@dataclass(frozen=True)
class Evidence:
    """Everything the checker needs."""

    stories: Mapping[str, Story]
    history: Sequence[Entry]
    timing: Timing

    @cached_property
    def strikes(self) -> list[Entry]:
        """The completed strikes of the nemesis."""
        return [entry for entry in self.history if entry.who == "nemesis" and _done(entry)]

    def successes(self, action: str) -> Iterator[Entry]:
        """The entries of this action that succeeded."""
        return (entry for entry in self.history if entry.action == action and _done(entry))


def gather(jobs: JobStore, api: str, history: Sequence[Entry], timing: Timing) -> Evidence:
    """Collect the evidence; the servers must be healthy."""
    with httpx.Client(base_url=api, timeout=_TIMEOUT_S, trust_env=False) as http:
        stories = {record.id: _story(jobs, record, http) for record in all_jobs(jobs)}
    return Evidence(stories, tuple(history), timing)


def all_jobs(jobs: JobStore) -> Iterator[JobRecord]:
    """Every job in the database."""
    after = None
    while True:
        page = jobs.list(limit=_PAGE, after=after)
        yield from page.records
        after = page.next_after
        if after is None:
            return


def unfinished(jobs: JobStore) -> list[JobRecord]:
    """The jobs that have not ended."""
    return [record for record in all_jobs(jobs) if not record.status.terminal]


def paused(jobs: JobStore) -> list[str]:
    """The jobs that wait to be resumed."""
    return [record.id for record in all_jobs(jobs) if record.status is JobStatus.PAUSED]


def _story(jobs: JobStore, record: JobRecord, http: httpx.Client) -> Story:
    return Story(
        record=record,
        attempts=tuple(jobs.attempts(record.id)),
        events=tuple(_events(jobs, record.id)),
        epochs=tuple(stored_epochs(jobs, record.id)),
        downloads={file.name: _download(http, record.id, file.name) for file in record.artifacts},
    )


def _events(jobs: JobStore, job_id: str) -> Iterator[EventRecord]:
    last = 0
    while page := jobs.events(job_id, after=last):
        yield from page
        last = page[-1].id


def _download(http: httpx.Client, job_id: str, name: str) -> str | None:
    response = http.get(f"/jobs/{job_id}/artifacts/{name}")
    return hashlib.sha256(response.content).hexdigest() if response.is_success else None


def _done(entry: Entry) -> bool:
    return entry.outcome is Outcome.OK
