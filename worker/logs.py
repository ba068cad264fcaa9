"""The worker's logs, and its trainers' until they have a supervisor to tell: JSON lines."""

import logging

from structlog.typing import Processor

from ridgeline import logs

#: Celery tells of every message it takes; the supervisor says the same with the job's id. The
#: converter to ONNX tells of every weight.
CHATTY = (
    "celery.app.trace",
    "celery.worker.consumer.connection",
    "celery.worker.strategy",
    "tf2onnx",
)
#: Celery warns of every connection that is lost; ReturningConsumer says so, and not every second.
SAID_ELSEWHERE = "celery.worker.consumer.consumer"


def configure_logs(keep: Processor | None = None) -> None:
    """Send everything to standard error; `keep` sees every line before."""
    logs.configure_logs(keep, CHATTY)
    logging.getLogger(SAID_ELSEWHERE).setLevel(logging.ERROR)
