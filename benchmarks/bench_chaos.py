"""kill -9 of workers: no job is lost; the time until each job trains again.

    python benchmarks/bench_chaos.py [--kills 50] [--workers 5] [--settings production short]

A real API, Redis and PostgreSQL, and workers with the stub engine of the tests. A training worker
is killed and restarted, again and again; its jobs resume in another worker when their leases and
their backoff have expired. There are always free slots, so that jobs wait for nothing else. Only
the first kill of each job is measured, because the backoff grows with each. Takes about five
minutes with both settings.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from benchmarks import noise
from ridgeline.api.job import JobStatus
from ridgeline.storage import AttemptReason, EventType, JobRecord, JobStore
from tests.rig.cluster import SHORT, Cluster
from tests.rig.process import poll
from tests.rig.work import Work
from tests.rig.workers import Worker

#: Jobs killed many times must not count as crashing ones.
MANY = {"RIDGELINE_CRASH_CAP": "1000"}
SETTINGS: dict[str, Mapping[str, str]] = {"production": MANY, "short": SHORT | MANY}
#: The lease of each setting, in seconds.
LEASE_S = {"production": 30.0, "short": 4.0}
SLOTS = 2
STARTING = 1
EPOCHS, EPOCH_S = 40, 0.1
POLL_S = 0.1
END_S = 120.0


@dataclass(frozen=True)
class Kill:
    """The kill of a worker."""

    at: float
    jobs: Mapping[str, int]
    """Its jobs that had not been killed before, with the killed attempt."""


@dataclass
class Run:
    """The jobs and kills of a run."""

    submitted: list[str] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    killed_jobs: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Figures:
    """The printed results of a run."""

    submitted: int
    finished: int
    lost: int
    twice: int
    kills: int
    noticed: list[float]
    resumed: list[float]


def main() -> None:
    """Run with each of the settings, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=5)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    arguments = parser.parse_args()
    with noise.reported():
        results = {
            name: measure(name, arguments.kills, arguments.workers) for name in arguments.settings
        }
        print_table(results)
    if any(figures.lost or figures.twice for figures in results.values()):
        sys.exit(1)


def measure(name: str, kills: int, workers: int) -> Figures:
    """Kill workers `kills` times, then wait for the jobs to end."""
    with Cluster(workers_count=workers, slots=SLOTS, defaults=SETTINGS[name]) as cluster:
        jobs, run = cluster.jobs(), Run()
        time.sleep(LEASE_S[name])  # an API that has just started expires no lease
        while len(run.kills) < kills:
            supply(cluster, jobs, run)
            kill_one(cluster, jobs, run)
            time.sleep(POLL_S)
        poll("the end of the jobs", lambda: not unfinished(jobs), END_S)
        return figures(jobs, run)


def supply(cluster: Cluster, jobs: JobStore, run: Run) -> None:
    """Keep half of the slots busy with jobs that were never killed; the others stay free."""
    fresh = [record for record in unfinished(jobs) if record.id not in run.killed_jobs]
    for _ in range(len(cluster.workers) - len(fresh)):
        work = Work(f"job-{len(run.submitted)}", epoch_s=EPOCH_S)
        answer = httpx.post(f"{cluster.apis[0].url}/jobs", json=work.spec(EPOCHS), trust_env=False)
        run.submitted.append(answer.raise_for_status().json()["id"])


def kill_one(cluster: Cluster, jobs: JobStore, run: Run) -> None:
    """Kill and restart the next training worker, unless several others are starting."""
    count = len(run.kills)
    if sum(worker.responds() for worker in cluster.workers) < len(cluster.workers) - STARTING:
        return
    for worker in (*cluster.workers[count % len(cluster.workers) :], *cluster.workers):
        held = list(held_by(jobs, worker))
        if not held or not all(trains(jobs, record) for record in held):
            continue
        at = time.time()
        worker.kill()
        fresh = {record.id: record.attempt for record in held if record.id not in run.killed_jobs}
        run.kills.append(Kill(at, fresh))
        run.killed_jobs |= set(fresh)
        worker.launch()
        return


def held_by(jobs: JobStore, worker: Worker) -> Iterator[JobRecord]:
    """The jobs leased by a worker; an owner is host:pid:random."""
    for record in jobs.list([JobStatus.RUNNING], limit=100).records:
        if str(record.lease_owner).split(":")[-2] == str(worker.pid):
            yield record


def trains(jobs: JobStore, record: JobRecord) -> bool:
    """Whether the current attempt has reported an epoch."""
    started_at = jobs.attempts(record.id)[-1].started_at
    return record.progress_at is not None and record.progress_at > started_at


def unfinished(jobs: JobStore) -> Sequence[JobRecord]:
    """The jobs that have not ended."""
    waiting = [status for status in JobStatus if not status.terminal]
    return jobs.list(waiting, limit=100).records


def figures(jobs: JobStore, run: Run) -> Figures:
    """Read the fate of every job and of every killed attempt from the records."""
    records = [jobs.get(job_id) for job_id in run.submitted]
    finished = [r for r in records if r is not None and r.status is JobStatus.SUCCEEDED]
    successes = [
        sum(event.after is JobStatus.SUCCEEDED for event in jobs.events(job_id))
        for job_id in run.submitted
    ]
    killed = [
        (kill, job, attempt)
        for kill in run.kills
        for job, attempt in kill.jobs.items()
        if was_lost(jobs, job, attempt)
    ]
    return Figures(
        submitted=len(records),
        finished=len(finished),
        lost=sum(record is None or not record.status.terminal for record in records),
        twice=sum(count > 1 for count in successes),
        kills=len(run.kills),
        noticed=[noticed_at(jobs, job, attempt) - kill.at for kill, job, attempt in killed],
        resumed=[next_epoch_at(jobs, job, attempt) - kill.at for kill, job, attempt in killed],
    )


def was_lost(jobs: JobStore, job_id: str, attempt: int) -> bool:
    """Whether the kill hit the attempt, which may have ended just before."""
    reasons = {past.number: past.outcome for past in jobs.attempts(job_id)}
    return reasons[attempt] == AttemptReason.LEASE_EXPIRED


def noticed_at(jobs: JobStore, job_id: str, attempt: int) -> float:
    """When the end of the attempt was recorded."""
    (ended,) = (past.ended_at for past in jobs.attempts(job_id) if past.number == attempt)
    return ended.timestamp() if ended else float("inf")


def next_epoch_at(jobs: JobStore, job_id: str, attempt: int) -> float:
    """When a later attempt reported an epoch, or ended the job without one left to train."""
    for event in jobs.events(job_id):
        ended = event.after is not None and event.after.terminal
        if event.attempt > attempt and (event.type is EventType.EPOCH or ended):
            return event.created_at.timestamp()
    return float("inf")


def print_table(results: Mapping[str, Figures]) -> None:
    """Print the figures as a Markdown table."""
    print("| kill -9 of workers | " + " | ".join(results) + " |")
    print("|---|" + "---|" * len(results))
    for name in ("submitted", "finished", "lost", "twice", "kills"):
        label = {"submitted": "jobs submitted", "twice": "published twice"}.get(name, name)
        print(f"| {label} | " + " | ".join(str(getattr(f, name)) for f in results.values()) + " |")
    for label, name in (("noticed", "noticed"), ("next attempt's first epoch", "resumed")):
        cells = [spread(getattr(result, name)) for result in results.values()]
        print(f"| {label}, p50 / p99 / longest | " + " | ".join(cells) + " |")


def spread(seconds: Sequence[float]) -> str:
    """Median, 99th percentile and the longest."""
    percentiles = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"{percentiles[49]:.1f} / {percentiles[98]:.1f} / {max(seconds):.1f} s"


if __name__ == "__main__":
    main()
