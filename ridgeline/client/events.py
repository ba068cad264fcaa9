"""What happens to a job, as it happens."""

from collections.abc import Iterator

from ridgeline.api.events import JobEvent
from ridgeline.client.following import Following
from ridgeline.client.part import Part


class Events(Part):
    """The part of the client that listens to a job."""

    def events(self, job_id: str, after: int = 0) -> Iterator[JobEvent]:
        """Go through what has happened to a job and what happens, until it has ended.

        Each change of status and each epoch comes once and in order; an attempt that was resumed
        may tell of an epoch again, and the last one stands. The service sends them as a stream. One
        that breaks is opened again behind the last event; where a proxy keeps streams back or
        refuses them, the client asks again and again instead, which brings the same.

        >>> for event in client.events(job.id):
        ...     if event.type == "epoch":
        ...         print(event.row.epoch, event.row.values["val_data_loss"])

        With `after`, the id of an event, it begins behind that one. Break off the loop whenever you
        like; the connection is closed with the iterator.

        Raises NotFoundError, also when the job is deleted meanwhile, and UnreachableError once the
        service has been away for longer than `Retries.patience_s`.
        """
        return Following(self._service, job_id, after).events()
