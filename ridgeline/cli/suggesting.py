"""The spec that a report's suggestions lead to."""

from collections.abc import Sequence

from pydantic import ValidationError

from ridgeline.api.job import Job
from ridgeline.api.report import Report
from ridgeline.cli.errors import CommandError
from ridgeline.cli.exits import ExitCode
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.patch import apply_patch

ALL = "all"


def improved(job: Job, report: Report, names: Sequence[str]) -> JobSpec:
    """The job's spec, every default said, with the changes of these names made, one after another.

    Raises CommandError where the report suggests none of a name, or two contradict each other.
    """
    suggested = {suggestion.id: suggestion for suggestion in report.suggestions}
    wanted = list(suggested) if ALL in names else list(dict.fromkeys(names))
    spec = job.resolved
    for name in wanted:
        if name not in suggested:
            there = ", ".join(suggested) or "nothing"
            raise CommandError(
                f"the report does not suggest {name!r}; it suggests {there}", ExitCode.NOT_FOUND
            )
        try:
            spec = apply_patch(spec, suggested[name].patch)
        except (LookupError, ValidationError) as error:
            raise CommandError(
                f"{name} cannot be made on top of the changes before it; apply it alone"
            ) from error
    if not wanted:
        raise CommandError("the report suggests nothing", ExitCode.NOT_FOUND)
    return spec
