"""Several jobs side by side: how their specs differ, and their curves."""

from pydantic import JsonValue

from ridgeline.api.curves import Curves
from ridgeline.api.job import JobId, JobStatus
from ridgeline.api.report import Verdict
from ridgeline.spec.schema import Contract

MIN_JOBS, MAX_JOBS = 2, 20


class Difference(Contract):
    """A setting in which the specs differ."""

    label: str
    """A unique name for people: `training.epochs`, `dense_1: units`, `Dropout after dense`. A layer
    with different names in different specs has both: `dense_1 / dense_2`."""
    pointer: str
    """JSON pointer (RFC 6901) into the spec of the first job that sets it."""
    pointers: dict[str, str]
    """JSON pointer into each spec as posted, by job id. A job that does not set it is left out: its
    value is the default, or comes from its policy or preset. A setting that only presets have
    points to the preset; an item of a default list points to where the other jobs have theirs."""
    values: dict[str, JsonValue]
    """Each job's value, by job id, with defaults filled in; a job whose spec has no such setting is
    left out. A layer that some of the jobs lack is one value."""


class ComparedJob(Contract):
    """One of the compared jobs."""

    id: JobId
    name: str | None
    status: JobStatus
    verdict: Verdict | None
    """The verdict of the job's report; null before there is a report."""
    metrics: dict[str, float | None]
    """Values of the epoch whose weights were kept, by default the last, and on the test set; null
    where not finite. The report's `kept_epoch` says which one; until the job ends, the last so far.
    """


class Comparison(Contract):
    """Jobs side by side, in the order of the request."""

    jobs: tuple[ComparedJob, ...]
    differences: tuple[Difference, ...]
    """How the specs, as posted, differ. Layers are matched by name, kind and order, so an inserted
    layer is one difference."""
    differences_left_out: int
    """Number of differences beyond the first 500."""
    curves: dict[str, Curves]
    """Curves by job id, sampled at the same epochs, without the penalties by layer."""
