"""The words of the broker: what the service sends and the worker takes."""

TRAIN_TASK = "ridgeline.train"
"""The task's name. Its one argument is a job id: a hint that may be lost, late or doubled."""

TRAIN_QUEUE = "train"
"""The queue the hints go through."""
