"""What jobs measure, on an MLflow server too: read from the records, so that nothing is lost."""

from worker.tracking.loop import Tracking

__all__ = ["Tracking"]
