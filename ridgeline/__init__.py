"""Ridgeline: trains Keras models from JSON and says what the regularization did.

>>> from ridgeline import Client
>>> client = Client("http://127.0.0.1:8000")
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


if not TYPE_CHECKING:  # or every misspelt name would be one

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used.

        The API and the trainer import `ridgeline.spec` and so this file: they must not pay
        for the client's HTTP library, in memory or in start-up time.
        """
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
