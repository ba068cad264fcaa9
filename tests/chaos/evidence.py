"""What a run has left: records, files as the API gives them, and what clients and nemesis saw."""

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
from tests.rig.work import Work

_PAGE = 100
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Timing:
    """The settings by which the servers ran, in seconds."""

    lease_s: float
    heartbeat_s: float
    reap_s: float
    grace_s: float
    crash_cap: int = 3
    slack_s: float = 2.0
    """What a busy machine may take on top."""

    @property
    def notice_s(self) -> float:
        """How long the death of a worker may stay unnoticed while nothing else is wrong."""
        return self.lease_s + self.reap_s + self.slack_s

    @property
    def cancel_s(self) -> float:
        """How long a running job may take to be cancelled while nothing else is wrong."""
        return self.heartbeat_s + self.grace_s + self.slack_s


@dataclass(frozen=True)
class Story:
    """All that the records and the API say of one job."""

    record: JobRecord
    attempts: tuple[AttemptRecord, ...]
    events: tuple[EventRecord, ...]
    epochs: tuple[EpochRow, ...]
    downloads: Mapping[str, str | None]
    """The SHA-256 of each published file as it is downloaded; None: it is not to be had."""

    @property
    def id(self) -> str:
        """The job's id."""
        return self.record.id

    @cached_property
    def work(self) -> Work:
        """What the job was to do."""
        return Work.named(str(self.record.name))

    @cached_property
    def seed(self) -> int:
        """The seed it was to do it with."""
        return int(json.loads(self.record.resolved)["training"]["seed"])

    @property
    def good(self) -> bool:
        """Whether it can succeed."""
        return self.work.fault is None or not self.work.always

    @property
    def statuses(self) -> list[EventRecord]:
        """Its transitions."""
        return [event for event in self.events if event.after is not None]

    def expected_files(self) -> dict[str, str]:
        """The SHA-256 of each file that training without any interruption publishes."""
        files = self.work.files(self.record.epochs, self.seed)
        return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@dataclass(frozen=True)
class Evidence:
    """What the checker looks at."""

    stories: Mapping[str, Story]
    history: Sequence[Entry]
    timing: Timing

    @cached_property
    def strikes(self) -> list[Entry]:
        """What the nemesis has done."""
        return [entry for entry in self.history if entry.who == "nemesis" and _done(entry)]

    def answered(self, action: str) -> Iterator[Entry]:
        """The clients' actions of this kind that were answered with yes."""
        return (entry for entry in self.history if entry.action == action and _done(entry))


def gather(jobs: JobStore, api: str, history: Sequence[Entry], timing: Timing) -> Evidence:
    """Read everything; the servers must be well."""
    with httpx.Client(base_url=api, timeout=_TIMEOUT_S, trust_env=False) as http:
        stories = {record.id: _story(jobs, record, http) for record in all_jobs(jobs)}
    return Evidence(stories, tuple(history), timing)


def all_jobs(jobs: JobStore) -> Iterator[JobRecord]:
    """Every job there is."""
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
        epochs=tuple(jobs.epochs(record.id)),
        downloads={file.name: _download(http, record.id, file.name) for file in record.artifacts},
    )


def _events(jobs: JobStore, job_id: str) -> Iterator[EventRecord]:
    last = 0
    while page := jobs.events(job_id, after=last):
        yield from page
        last = page[-1].id


def _download(http: httpx.Client, job_id: str, name: str) -> str | None:
    answer = http.get(f"/jobs/{job_id}/artifacts/{name}")
    return hashlib.sha256(answer.content).hexdigest() if answer.is_success else None


def _done(entry: Entry) -> bool:
    return entry.outcome is Outcome.OK
