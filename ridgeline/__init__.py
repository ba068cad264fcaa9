"""Ridgeline: train Keras models from JSON specs and report what the regularization did.

>>> from ridgeline import Client
>>> client = Client()
>>> job = client.wait(client.submit(spec).id)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ridgeline.api.curves import Curves
    from ridgeline.api.features import RowEncoding
    from ridgeline.api.job import Job, JobStatus
    from ridgeline.api.report import Report
    from ridgeline.client import Client, ProblemError, RidgelineError
    from ridgeline.spec.job_spec import JobSpec

__all__ = [
    "Client",
    "Curves",
    "Job",
    "JobSpec",
    "JobStatus",
    "ProblemError",
    "Report",
    "RidgelineError",
    "RowEncoding",
]

_HOME = {
    "Client": "client",
    "Curves": "api.curves",
    "Job": "api.job",
    "JobSpec": "spec.job_spec",
    "JobStatus": "api.job",
    "ProblemError": "client",
    "Report": "api.report",
    "RidgelineError": "client",
    "RowEncoding": "api.features",
}


if not TYPE_CHECKING:  # or mypy would accept every misspelled name

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used.

        The API and the trainer import `ridgeline.spec`, and so this file: they must not load the
        client's HTTP library, which costs memory and start-up time.
        """
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, imported or not yet."""
    return sorted({*globals(), *__all__})
