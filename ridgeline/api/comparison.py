"""Several jobs beside each other: what their specs say differently, and how their curves went."""

from pydantic import JsonValue

from ridgeline.api.curves import Curves
from ridgeline.api.job import JobId, JobStatus
from ridgeline.api.report import Verdict
from ridgeline.spec.schema import Contract

MIN_JOBS, MAX_JOBS = 2, 20


class Difference(Contract):
    """Something that the specs do not say alike."""

    label: str
    """What it is, in words, no two alike: `training.epochs`, `dense_1: units`, `Dropout after
    dense`. A layer that has another name in another spec has both: `dense_1 / dense_2`."""
    pointer: str
    """Where it stands in the spec of the first job that says it (RFC 6901)."""
    pointers: dict[str, str]
    """Where it stands in each spec as posted, by job id. A job that does not say it is left out:
    its value is what its silence means, or what its policy or its preset puts there. What presets
    alone say stands where they do, what a default list alone has where the others have theirs."""
    values: dict[str, JsonValue]
    """What each job's spec says there, or what its silence means, by job id; a job in whose spec
    there is no such place is left out. A layer that some of the jobs lack is one value."""


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
