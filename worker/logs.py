"""The worker's logs, and its trainers' until they have a supervisor to tell: JSON lines."""

from structlog.typing import Processor

from ridgeline import logs

#: Celery tells of every message it takes; the supervisor says the same with the job's id. The
#: converter to ONNX tells of every weight.
CHATTY = ("celery.app.trace", "celery.worker.strategy", "tf2onnx")


def configure_logs(keep: Processor | None = None) -> None:
    """Send everything to standard error; `keep` sees every line before."""
    logs.configure_logs(keep, CHATTY)
