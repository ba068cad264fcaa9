"""Jobs as a table, and a job on a page."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ridgeline.api.job import Artifact, Job, JobStatus
from ridgeline.cli.figures import age, duration, number, plural, short, size
from ridgeline.cli.printing import add_row, listing, styled
from ridgeline.cli.views.facts import facts, headed, indented
from ridgeline.cli.views.measures import measures_table
from ridgeline.cli.views.networks import data_in_words, network_in_words, penalties_in_words
from ridgeline.planning.advice import Advice

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


def jobs_table(jobs: Iterable[Job], now: datetime) -> Table:
    """One line a job."""
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
    """A status in its colour."""
    return Text.assemble((status.value, STYLES[status]))


def one_line(job: Job) -> Text:
    """What became of a job, for those who asked for a change."""
    name = f"{job.name}, " if job.name else ""
    return Text.assemble(f"{job.id}  ", styled(name, ""), status_text(job.status))


def job_page(job: Job) -> Iterator[RenderableType]:
    """Everything that matters about a job."""
    yield Text.assemble((job.id, "bold"), styled(f"  {job.name or ''}", ""))
    yield facts(_facts(job))
    if job.metrics:
        yield headed("Last epoch", measures_table(job.metrics))
    if job.artifacts:
        yield headed("Files", artifacts_table(job.artifacts))
    if job.advice:
        yield headed("Advice", *advice_lines(job.advice))


def artifacts_table(artifacts: Iterable[Artifact]) -> Table:
    """A line a file."""
    table = listing({"file": "left", "size": "right", "sha256": "flexible"})
    for artifact in artifacts:
        add_row(table, (artifact.name, size(artifact.bytes), artifact.sha256))
    return table


def advice_lines(advice: Iterable[Advice]) -> Iterator[RenderableType]:
    """Remarks on a spec, each with where it applies."""
    for each in advice:
        style = "yellow" if each.severity == "warning" else "cyan"
        yield Text.assemble((f"{each.severity}  ", style), styled(each.pointer or "/", "bold"))
        yield indented("  ", f"{each.message} ({each.source})")


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
    if job.reason and job.status is not JobStatus.SUCCEEDED:
        text.append_text(styled(f": {job.reason.detail}", ""))
    text.append(f", epoch {job.progress.epoch} of {job.progress.epochs}")
    if job.progress.eta_s is not None:
        text.append(f", {duration(job.progress.eta_s)} left")
    if job.attempt > 1:
        text.append(f", attempt {job.attempt}")
    return text


def _times(job: Job) -> str:
    now = datetime.now(UTC)
    times = [f"created {age(job.created_at, now)} ago"]
    if job.started_at:
        waited = (job.started_at - job.created_at).total_seconds()
        times.append(f"waited {duration(max(0.0, waited))}")
    if job.started_at and job.finished_at:
        times.append(f"ran {duration((job.finished_at - job.started_at).total_seconds())}")
    return ", ".join(times)
