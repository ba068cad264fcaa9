"""The worker: Celery tasks that claim jobs, a supervisor per attempt, and the training engine."""
