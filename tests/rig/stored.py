"""What the database holds of a job, read whole."""

from ridgeline.api.curves import EpochRow
from ridgeline.storage import JobStore


def stored_epochs(jobs: JobStore, job_id: str) -> list[EpochRow]:
    """The job's epochs, in order: the current attempt's, after those that it resumed from."""
    texts = (text for page in jobs.epoch_pages(job_id) for text in page)
    return [EpochRow.model_validate_json(text) for text in texts]
