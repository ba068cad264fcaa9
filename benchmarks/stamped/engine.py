"""Ridgeline's engine; each epoch carries the time of its end by the trainer's clock."""

import time
from typing import Any

from ridgeline.api.curves import EpochRow
from ridgeline.spec.job_spec import JobSpec
from worker.engine.context import TrainingContext, TrainingResult
from worker.trainer.child import keras_engine

STAMP = "ended_at"
"""The series of that time, in seconds since 1970."""


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train, and pause after each epoch for the seconds in the job's name."""
    stamping: Any = _Stamping(context, pause_s=float(str(spec.name)))
    return keras_engine(spec, stamping)


class _Stamping:
    """A context that stamps the epochs it reports."""

    def __init__(self, context: TrainingContext, pause_s: float) -> None:
        self._context = context
        self._pause_s = pause_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def epoch_ended(self, row: EpochRow) -> None:
        """Report an epoch that ends now."""
        values = {**row.values, STAMP: time.time()}
        self._context.epoch_ended(row.model_copy(update={"values": values}))
        time.sleep(self._pause_s)
