"""What came of a job: its curves, the report, the log."""

from collections.abc import Iterator

from ridgeline.client.answers import read
from ridgeline.client.part import Part
from ridgeline.client.transport import job_path
from ridgeline.contract.curves import Curves
from ridgeline.contract.log import LogEntry, LogLevel, LogPage
from ridgeline.contract.report import Report

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
        self, job_id: str, *, level: LogLevel | None = None, page_size: int = 500
    ) -> Iterator[LogEntry]:
        """Go through what was said about a job so far, fetching lines when they are needed.

        With a `level` only through lines that matter as much. Raises NotFoundError.
        """
        asked = {"level": level, "limit": page_size}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        while True:
            answer = self._service.send(
                "GET", job_path(job_id, "logs"), params=query, headers=_JSON
            )
            page = read(LogPage, answer)
            yield from page.items
            if page.next is None:
                return
            query["after"] = str(page.next)
