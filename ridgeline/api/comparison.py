"""Several jobs beside each other: what their specs say differently, and how their curves went."""

from ridgeline.api.curves import Curves
from ridgeline.api.job import JobId, JobStatus
from ridgeline.api.report import Verdict
from ridgeline.spec.schema import Contract
from service.comparison import Difference

MIN_JOBS, MAX_JOBS = 2, 20


class ComparedJob(Contract):
    """A job among those that are compared."""

    id: JobId
    name: str | None
    status: JobStatus
    verdict: Verdict | None
    """The report's; null while the job has none."""
    metrics: dict[str, float | None]
    """The last epoch's values and the test set's; a value that was not finite is null."""


class Comparison(Contract):
    """Jobs beside each other, in the order they were asked for."""

    jobs: tuple[ComparedJob, ...]
    differences: tuple[Difference, ...]
    """What the specs, as they were posted, say differently: layers are matched with each other by
    name, kind and order, so that one that was put in between is one difference."""
    differences_left_out: int
    """How many more there are, beyond the first 500."""
    curves: dict[str, Curves]
    """By job id, the same epochs for each as far as it has come; without the penalties by layer."""
