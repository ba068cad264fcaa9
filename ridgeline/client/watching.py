"""A job that is looked at while it trains."""

from ridgeline.api.curves import Theme
from ridgeline.api.job import Job
from ridgeline.client.live_job import LiveJob
from ridgeline.client.progress import Progress
from ridgeline.client.views import JobView


class Watching(Progress):
    """The part of the client that shows a job as it goes on."""

    def watch(self, job_id: str, *, chart: str = "losses", theme: Theme = "light") -> JobView:
        """Get a view of a job, which shows it as it goes on.

        In a notebook the view is a chart that follows the training while other cells run, and so is
        every job that the client returns; elsewhere `wait` prints a line for each epoch.

        >>> client.watch(job.id, chart="penalty")  # as the last line of a cell
        >>> job = client.watch(job.id).wait()

        Args:
            job_id: the job.
            chart: `losses`, `accuracy`, `penalty` or `learning_rate`.
            theme: the chart's colours.

        Raises NotFoundError.
        """
        return JobView(self, self.job(job_id), chart, theme)

    def _own(self, job: Job) -> Job:
        return LiveJob.of(job, self)
