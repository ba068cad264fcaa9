"""The diagnosis of a job that has ended."""

from ridgeline.api.job import EndCode
from ridgeline.api.problems import ProblemCode
from ridgeline.storage import JobRecord, JobStore
from service.http.problems import RETRY_AFTER_S, ApiProblem, not_found

_WITHOUT: dict[str | None, str] = {
    EndCode.CANCELLED_BY_USER: "it was cancelled before its training had ended",
    EndCode.DEADLINE_EXCEEDED: "its deadline passed before its training had ended",
}


def find(jobs: JobStore, record: JobRecord) -> str:
    """The job's report as JSON.

    Raises ApiProblem: conflict while the job has not ended, not-found where it ended without one.
    """
    if not record.status.terminal:
        detail = (
            f"The job is {record.status.value}; it has a report once its training has ended. Until"
            " then GET /jobs/{id}/curves shows how it goes."
        )
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise ApiProblem(ProblemCode.CONFLICT, detail, headers=headers)
    report = jobs.report(record.id)
    if report is None:
        ended = f"it ended with {record.reason_code} and reported nothing"
        raise not_found(f"The job has no report: {_WITHOUT.get(record.reason_code, ended)}.")
    return report
