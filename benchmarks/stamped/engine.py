"""Ridgeline's engine; each epoch carries the moment of its end, by the trainer's clock."""

import time
from typing import Any

from ridgeline.api.curves import EpochRow
from ridgeline.spec.job_spec import JobSpec
from worker.engine.context import TrainingContext, TrainingResult
from worker.trainer.child import keras_engine

STAMP = "ended_at"
"""The series that holds it, in seconds since 1970."""


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train, resting after each epoch for as many seconds as the job's name says."""
    stamping: Any = _Stamping(context, rest_s=float(str(spec.name)))
    return keras_engine(spec, stamping)


class _Stamping:
    """A context that stamps the epochs on their way out."""

    def __init__(self, context: TrainingContext, rest_s: float) -> None:
        self._context = context
        self._rest_s = rest_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def epoch_ended(self, row: EpochRow) -> None:
        """Report an epoch that has ended now."""
        values = {**row.values, STAMP: time.time()}
        self._context.epoch_ended(row.model_copy(update={"values": values}))
        time.sleep(self._rest_s)
