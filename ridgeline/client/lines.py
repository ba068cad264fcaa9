"""A job in lines of text."""

from ridgeline.api.curves import EpochRow
from ridgeline.api.events import StatusEvent
from ridgeline.api.job import Job

_SHOWN = ("loss", "data_loss", "penalty", "val_data_loss", "val_accuracy")


def summary(job: Job) -> str:
    """One line: where the job is, how far, and its losses."""
    progress = job.progress
    parts = [job.name or job.id, job.status.value, f"epoch {progress.epoch}/{progress.epochs}"]
    if progress.eta_s is not None and not job.status.terminal:
        parts.append(f"{progress.eta_s:.0f} s to go")
    parts += _values(job.metrics)
    if job.reason is not None:
        parts.append(job.reason.detail)
    return "  ".join(parts)


def epoch(row: EpochRow, epochs: int) -> str:
    """One line on an epoch."""
    return "  ".join([f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}", *_values(row.values)])


def status(event: StatusEvent) -> str:
    """One line on a change of status."""
    change = event.after.value if event.before is None else f"{event.before} → {event.after}"
    return change if event.reason is None else f"{change}: {event.reason.detail}"


def _values(values: dict[str, float | None]) -> list[str]:
    return [
        f"{name} {'not finite' if value is None else format(value, '.4f')}"
        for name, value in values.items()
        if name in _SHOWN
    ]
