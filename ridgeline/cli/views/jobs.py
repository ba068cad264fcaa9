"""Jobs: as a table and as a page, their attempts and log lines, and the workers that run them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ridgeline.api.attempts import Attempt, AttemptOutcome
from ridgeline.api.job import Artifact, Job, JobStatus
from ridgeline.api.log import LogEntry, LogLevel
from ridgeline.api.worker import Worker, WorkerState
from ridgeline.cli.printing import (
    Alignment,
    add_row,
    age,
    duration,
    facts,
    headed,
    listing,
    number,
    plural,
    size,
    styled,
)
from ridgeline.cli.references import short
from ridgeline.cli.views.specs import (
    advice_lines,
    data_in_words,
    network_in_words,
    penalties_in_words,
)

STYLES = {
    JobStatus.QUEUED: "dim",
    JobStatus.RUNNING: "cyan",
    JobStatus.CANCELLING: "yellow",
    JobStatus.PAUSING: "yellow",
    JobStatus.PAUSED: "yellow",
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "magenta",
}
_WORKER_STYLES = {
    WorkerState.STARTING: "dim",
    WorkerState.READY: "green",
    WorkerState.DRAINING: "yellow",
    WorkerState.GONE: "dim",
    WorkerState.LOST: "red",
}
_LOG_STYLES = {
    LogLevel.DEBUG: "dim",
    LogLevel.INFO: "",
    LogLevel.WARNING: "yellow",
    LogLevel.ERROR: "red",
    LogLevel.CRITICAL: "bold red",
}
#: The columns of measures by the prefix of their names; without one, those of the epoch itself.
_MEASURED_ON = {
    "": "training",
    "train_": "in inference mode",
    "val_": "validation",
    "test_": "test",
}


def jobs_table(jobs: Iterable[Job], now: datetime) -> Table:
    """One line per job."""
    table = listing(
        {
            "id": "left",
            "name": "flexible",
            "status": "left",
            "epoch": "right",
            "val data loss": "right",
            "gap": "right",
            "age": "right",
        }
    )
    for job in jobs:
        add_row(
            table,
            (
                short(job.id),
                job.name or "",
                status_text(job.status),
                f"{job.progress.epoch}/{job.progress.epochs}",
                number(job.metrics.get("val_data_loss")),
                number(job.metrics.get("gap")),
                age(job.created_at, now),
            ),
        )
    return table


def status_text(status: JobStatus) -> Text:
    """A status in its color."""
    return Text.assemble((status.value, STYLES[status]))


def one_line(job: Job) -> Text:
    """A job's id, name and status."""
    name = f"{job.name}, " if job.name else ""
    return Text.assemble(f"{job.id}  ", styled(name, ""), status_text(job.status))


def keeps_best(job: Job) -> bool:
    """Whether the job has ended with the weights of its best epoch, not necessarily the last."""
    stopping = job.resolved.training.early_stopping
    restores = stopping is not None and stopping.restore_best_weights
    return restores and job.status is JobStatus.SUCCEEDED


def job_page(job: Job, kept_epoch: int | None = None) -> Iterator[RenderableType]:
    """A job on a page; `kept_epoch` is the epoch whose weights it has, if it is known."""
    yield Text.assemble((job.id, "bold"), styled(f"  {job.name or ''}", ""))
    yield facts(_facts(job))
    if job.metrics:
        yield headed(_measured_after(job, kept_epoch), measures_table(job.metrics))
    if job.artifacts:
        yield headed("Files", _artifacts_table(job.artifacts))
    if job.advice:
        yield headed("Advice", *advice_lines(job.advice))


def _measured_after(job: Job, kept_epoch: int | None) -> str:
    """The heading of the job's metrics: which epoch's values they are."""
    if not keeps_best(job) or kept_epoch == job.progress.epoch:
        return f"Last epoch ({job.progress.epoch})"
    which = "" if kept_epoch is None else f" ({kept_epoch})"
    return f"Epoch whose weights were kept{which}"


def _artifacts_table(artifacts: Iterable[Artifact]) -> Table:
    table = listing({"file": "left", "size": "right", "sha256": "flexible"})
    for artifact in artifacts:
        add_row(table, (artifact.name, size(artifact.bytes), artifact.sha256))
    return table


def _facts(job: Job) -> dict[str, str | Text]:
    resolved = job.resolved
    training = resolved.training
    return {
        "status": _status(job),
        "data": data_in_words(resolved),
        "network": network_in_words(job.spec, resolved),
        "penalties": penalties_in_words(job.penalties),
        "training": f"{plural(training.epochs, 'epoch')}, batches of {training.batch_size},"
        f" {training.optimizer.name}, {training.loss.name}, seed {training.seed}",
        "times": _times(job),
        "tags": ", ".join(job.tags),
    }


def _status(job: Job) -> Text:
    text = status_text(job.status)
    text.append(f", epoch {job.progress.epoch} of {job.progress.epochs}")
    if job.progress.eta_s is not None:
        text.append(f", {duration(job.progress.eta_s)} left")
    if job.attempt > 1:
        text.append(f", attempt {job.attempt}")
    text.append_text(reason_text(job))
    return text


def reason_text(job: Job) -> Text:
    """`: ` and why the job ended, unless it ended with its last epoch."""
    ran_all = job.status is JobStatus.SUCCEEDED and job.progress.epoch >= job.progress.epochs
    return styled("" if job.reason is None or ran_all else f": {job.reason.detail}", "")


def _times(job: Job) -> str:
    now = datetime.now(UTC)
    times = [f"created {age(job.created_at, now)} ago"]
    if job.started_at:
        waited = (job.started_at - job.created_at).total_seconds()
        times.append(f"waited {duration(max(0.0, waited))}")
    if job.started_at and job.finished_at:
        times.append(f"ran {duration((job.finished_at - job.started_at).total_seconds())}")
    return ", ".join(times)


def measures_table(measures: Mapping[str, float | None]) -> Table:
    """Losses and metrics: one line per measure, one column per kind of rows measured on."""
    prefixes = {name: _prefix(name) for name in measures}
    present = [prefix for prefix in _MEASURED_ON if prefix in prefixes.values()]
    columns: dict[str, Alignment] = {"": "left"}
    table = listing(columns | dict.fromkeys((_MEASURED_ON[prefix] for prefix in present), "right"))
    for measure in dict.fromkeys(name.removeprefix(prefix) for name, prefix in prefixes.items()):
        names = [f"{prefix}{measure}" for prefix in present]
        values = (number(measures[name]) if name in measures else "" for name in names)
        add_row(table, (measure, *values))
    return table


def _prefix(name: str) -> str:
    return next((prefix for prefix in _MEASURED_ON if prefix and name.startswith(prefix)), "")


def attempts_table(attempts: Iterable[Attempt], now: datetime) -> Table:
    """One line per attempt: where and when it ran, and how it ended."""
    table = listing(
        {
            "attempt": "right",
            "worker": "flexible",
            "started": "right",
            "duration": "right",
            "epochs": "right",
            "outcome": "left",
            "exit": "left",
            "reason": "wrapped",
        }
    )
    for attempt in attempts:
        seconds = ((attempt.ended_at or now) - attempt.started_at).total_seconds()
        add_row(
            table,
            (
                str(attempt.number),
                attempt.worker,
                f"{age(attempt.started_at, now)} ago",
                duration(max(0.0, seconds)),
                str(attempt.epochs),
                styled(attempt.outcome.value, _outcome_style(attempt.outcome)),
                _exit(attempt),
                attempt.reason or "",
            ),
        )
    return table


def _outcome_style(outcome: AttemptOutcome) -> str:
    if outcome is AttemptOutcome.COMPLETED:
        return "green"
    if outcome is AttemptOutcome.RUNNING:
        return "cyan"
    released = (AttemptOutcome.DRAINED, AttemptOutcome.PAUSED, AttemptOutcome.CANCELLED_BY_USER)
    return "yellow" if outcome in released else "red"


def _exit(attempt: Attempt) -> str:
    """The exit code of the trainer, or the signal that killed it."""
    if attempt.signal is not None:
        return attempt.signal
    return "" if attempt.exit_code is None else f"code {attempt.exit_code}"


def log_line(entry: LogEntry) -> Text:
    """Time, attempt, level, source, event and fields of a log entry."""
    time = entry.at.strftime("%Y-%m-%d %H:%M:%S")
    event = f"{entry.level.value:<8} {entry.source.value:<7} {entry.event}"
    fields = " ".join(f"{name}={_value(value)}" for name, value in entry.fields.items())
    return Text.assemble(
        styled(f"{time} #{entry.attempt} ", "dim"),
        styled(event, _LOG_STYLES[entry.level]),
        styled(f" {fields}" if fields else "", "dim"),
    )


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def workers_table(workers: Iterable[Worker], now: datetime) -> Table:
    """One line per worker."""
    table = listing(
        {
            "worker": "flexible",
            "state": "left",
            "slots": "flexible",
            "jobs": "flexible",
            "version": "left",
            "seen": "right",
        }
    )
    for worker in workers:
        add_row(
            table,
            (
                f"{worker.host}:{worker.pid}",
                styled(worker.state.value, _WORKER_STYLES[worker.state]),
                ", ".join(worker.slots),
                ", ".join(map(short, worker.jobs)),
                worker.version,
                f"{age(worker.seen_at, now)} ago",
            ),
        )
    return table
