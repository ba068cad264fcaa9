"""One draft: resolved as the service does, trained by a real trainer process, loaded by Keras."""

import importlib
import json
import tempfile
import time
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import ValidationError

from ridgeline.api.job import EndCode
from ridgeline.planning.resolve import resolve
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from tests.fuzz.specs import Draft
from tests.unit.worker.engine.data.stored.files import Upload, npz_file
from worker.engine.context import TrainingContext, TrainingResult
from worker.trainer.child import Assignment, keras_engine
from worker.trainer.forkserver import Forkserver
from worker.trainer.messages import Failed, Finished, LogMessage
from worker.trainer.process import TrainerProcess

LIMIT_S = 240.0
"""The longest training: a network of many small layers takes a minute on a busy machine."""
NAMED = (EndCode.DIVERGED, EndCode.EXPORT_FAILED)
"""Ends that the documentation names and that no check before training can foresee."""
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}

Result = Literal["invalid", "succeeded", "refused", "broken"]


class Outcome(NamedTuple):
    """How a draft ended: `invalid` at POST, `refused` by the worker for a documented reason."""

    result: Result
    detail: str = ""


def attempt(draft: Draft, forkserver: Forkserver) -> Outcome:
    """Resolve the draft, train it in a process of its own, and load and run what was saved."""
    with tempfile.TemporaryDirectory(prefix="ridgeline-fuzz-") as name:
        folder = Path(name)
        x, y = draft.rows()
        upload = npz_file(folder, x=x, y=y)
        try:
            resolution = resolve(_spec(draft, upload))
        except (ValidationError, SpecError) as error:
            return Outcome("invalid", str(error))
        workdir = folder / "work"
        workdir.mkdir()
        resolved = resolution.spec.model_dump_json()
        assignment = Assignment(resolved, workdir, NO_GPU, {}, dataset_file=upload.file)
        return _trained(forkserver, assignment)


def _spec(draft: Draft, upload: Upload) -> JobSpec:
    dataset = {"source": "upload", "id": upload.stored.id, **draft.dataset}
    spec = JobSpec.model_validate_json(json.dumps(draft.spec | {"dataset": dataset}))
    stored = spec.dataset.with_stored(upload.stored.snapshot())  # type: ignore[union-attr]
    return spec.model_copy(update={"dataset": stored})


def _trained(forkserver: Forkserver, assignment: Assignment) -> Outcome:
    traceback, until = "", time.monotonic() + LIMIT_S
    with TrainerProcess(forkserver.context, assignment, train_and_load) as trainer:
        while time.monotonic() < until:
            for message in trainer.receive(timeout=1.0):
                if isinstance(message, LogMessage) and message.event == "training_failed":
                    traceback = message.fields
                if isinstance(message, Finished):
                    return Outcome("succeeded")
                if isinstance(message, Failed):
                    return _failure(message, traceback)
            if trainer.gone:
                ended = trainer.exit()
                return Outcome("broken", f"{ended}\n{trainer.stderr.take_tail()}")
        return Outcome("broken", f"it had not ended after {LIMIT_S:g} s")


def _failure(message: Failed, traceback: str) -> Outcome:
    reason = message.reason
    text = f"{reason.code}: {reason.detail}"
    if reason.code in NAMED:
        return Outcome("refused", text)
    if traceback:
        text += "\n" + str(json.loads(traceback).get("exception", traceback))
    return Outcome("broken", text)


def train_and_load(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """In the trainer: the engine, then plain Keras on the file that it saved."""
    result = keras_engine(spec, context)
    model = importlib.import_module("keras").saving.load_model(context.workdir / "model.keras")
    predicted = model(np.zeros((2, *model.inputs[0].shape[1:]), np.float32), training=False)
    if predicted.shape[0] != 2:
        raise AssertionError(f"2 rows have {predicted.shape[0]} predictions")
    return result
