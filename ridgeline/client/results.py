"""What came of a job: its curves, the report, the log."""

from collections.abc import Iterator

from ridgeline.api.curves import Curves
from ridgeline.api.log import LogEntry, LogLevel
from ridgeline.api.report import Report
from ridgeline.client.answers import read
from ridgeline.client.job_log import JobLog
from ridgeline.client.part import Part
from ridgeline.client.transport import job_path

_JSON = {"Accept": "application/json"}


class Results(Part):
    """The part of the client that reads what came of a job."""

    def curves(self, job_id: str, max_points: int | None = None) -> Curves:
        """Get the loss curves so far, as columns: one entry per epoch in every list.

        With `max_points` at most so many epochs: the first, the last, and those at which a series
        is extreme. What was not finite is None, and stands in `nonfinite`.

        >>> curves = client.curves(job.id)
        >>> curves.series["val_data_loss"][-1]
        0.1823
        >>> pandas.DataFrame(curves.series, index=curves.epoch)
        >>> pandas.DataFrame(curves.to_dict())  # with the epochs, and the penalty of each layer

        Raises NotFoundError.
        """
        query = {} if max_points is None else {"max_points": max_points}
        answer = self._service.send("GET", job_path(job_id, "curves"), params=query, headers=_JSON)
        return read(Curves, answer)

    def report(self, job_id: str) -> Report:
        """Get the diagnosis of a job that has ended: verdict, evidence, weights, what to change.

        Raises ConflictError while the job goes on, NotFoundError where it ended without one.
        """
        return read(Report, self._service.send("GET", job_path(job_id, "report")))

    def logs(
        self,
        job_id: str,
        *,
        level: LogLevel | None = None,
        page_size: int = 500,
        follow: bool = False,
        timeout: float | None = None,
    ) -> Iterator[LogEntry]:
        """Go through what was said about a job so far, fetching lines when they are needed.

        >>> for line in client.logs(job.id, follow=True):
        ...     print(line.at, line.event)

        Args:
            job_id: the job.
            level: only lines that matter as much.
            page_size: how many to fetch at once, 1000 at most.
            follow: go on with what is said from now on, until the job has ended. A service that is
                away for a while, as when it is restarted, is waited for (`Retries.patience_s`).
            timeout: seconds after which WaitTimeoutError is raised; None follows as long as it
                takes.

        Raises NotFoundError, also when the job is deleted meanwhile.
        """
        log = JobLog(self._service, job_id, level, page_size)
        return log.followed(timeout) if follow else log.lines()
