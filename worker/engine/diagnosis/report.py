"""Puts the report of a run together, and writes it among the files to publish."""

import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ridgeline.api.curves import EpochRow
from ridgeline.api.report import (
    Environment,
    Evidence,
    PenaltyShare,
    Raise,
    Report,
    Suggestion,
    Verdict,
)
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from ridgeline.spec.training.optimizers import Optimizer
from worker.engine.context import ExportedFile
from worker.engine.diagnosis.suggestions import Accepts, suggest
from worker.engine.diagnosis.verdict import Diagnosis, diagnose
from worker.engine.diagnosis.weights import TrainedWeight, report_weights

NamedWeight = tuple[str, str, npt.NDArray[Any]]
"""A layer's name, a weight's path in it (`kernel`, `lstm_cell/kernel`), and its values."""


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run that has ended, well or not, in plain values."""

    rows: Sequence[EpochRow]
    """Every epoch that ran, at least one."""
    resolved: JobSpec
    """The spec that the suggestions' patches are for."""
    weights: Sequence[NamedWeight]
    """The trainable weights as they are now."""
    learning_rate: float
    """That of the last epoch."""
    penalties: Sequence[PenaltyTerm] = ()
    """What acts on the weights, with the coefficients training ended with."""
    baseline: float | None = None
    """What `constant_baseline` gives for the training targets."""
    floor: float = 0.0
    """The loss of a perfect prediction, above 0 where labels are smoothed."""
    raises: Sequence[Raise] = ()
    """What training raised by itself."""
    kept_epoch: int | None = None
    """The epoch whose weights these are, where it is not the last."""
    stopped: str | None = None
    """Why training ended before its last epoch; None if it did not."""
    data_fault: str | None = None
    """The rows whose loss is not finite, and why, if any were looked for and found."""


def build_report(run: TrainedRun, accepts: Accepts = resolve) -> Report:
    """The report of a run; `accepts` raises SpecError for a spec that could not be trained."""
    rows, kept = run.rows, run.rows[(run.kept_epoch or len(run.rows)) - 1]
    diagnosis = diagnose(
        rows,
        loss_name=run.resolved.training.loss.name,
        baseline=run.baseline,
        floor=run.floor,
        kept_epoch=run.kept_epoch,
        stopped=run.stopped,
    )
    optimizer = run.resolved.training.optimizer
    named = [_trained(weight, run.penalties, optimizer) for weight in run.weights]
    weight_reports = report_weights(named, run.learning_rate)
    return Report(
        verdict=diagnosis.verdict,
        evidence=(*_data_fault(run), *diagnosis.evidence),
        epochs=len(rows),
        best_epoch=diagnosis.best_epoch,
        kept_epoch=kept.epoch,
        gap=diagnosis.gap,
        gap_share=diagnosis.gap_share,
        reference=diagnosis.reference,
        baseline=run.baseline,
        losses=kept.values,
        penalty_share=_part(kept.values.get("penalty"), kept),
        penalties=tuple(_penalty_share(key, value, kept) for key, value in _finite(kept).items()),
        weights=weight_reports.weights,
        nonfinite_weights=weight_reports.nonfinite,
        histograms_left_out=weight_reports.histograms_left_out,
        raises=tuple(run.raises),
        suggestions=_suggestions(run, diagnosis, accepts),
        environment=_environment(),
    )


def _data_fault(run: TrainedRun) -> Iterator[Evidence]:
    if run.data_fault is not None:
        last = run.rows[-1]
        series = last.nonfinite or ("test_data_loss",)
        message = run.data_fault[0].upper() + run.data_fault[1:]
        yield Evidence(id="bad-rows", message=message, series=series, epochs=(last.epoch,))


def _suggestions(run: TrainedRun, diagnosis: Diagnosis, accepts: Accepts) -> tuple[Suggestion, ...]:
    """None if the run diverged because of its rows: no change of the spec corrects those."""
    if run.data_fault is not None and diagnosis.verdict is Verdict.DIVERGED:
        return ()
    return suggest(
        diagnosis, run.resolved, epochs=len(run.rows), raises=run.raises, accepts=accepts
    )


def write_report(report: Report, folder: Path) -> ExportedFile:
    """Write `report.json` into `folder`, to be published with the model."""
    path = folder / "report.json"
    path.write_text(report.model_dump_json(), encoding="utf-8")
    return ExportedFile(path, "application/json")


def _trained(
    weight: NamedWeight, penalties: Sequence[PenaltyTerm], optimizer: Optimizer
) -> TrainedWeight:
    layer, path, values = weight
    name = path.rpartition("/")[2]
    coefficients: Mapping[str, float] = {
        term.kind: term.coefficient
        for term in penalties
        if term.layer == layer and term.weight in (path, name)
    }
    decay = optimizer.decay(f"{layer}/{path}", values.shape)
    return TrainedWeight(layer, path, np.asarray(values), coefficients, decay)


def _finite(row: EpochRow) -> dict[str, float]:
    return {key: value for key, value in row.penalty_by_layer.items() if value is not None}


def _penalty_share(key: str, value: float, row: EpochRow) -> PenaltyShare:
    layer, _, rest = key.partition("/")
    weight, _, kind = rest.rpartition("/")
    return PenaltyShare(layer=layer, weight=weight, kind=kind, value=value, share=_part(value, row))


def _part(penalty: float | None, row: EpochRow) -> float | None:
    """Penalty / loss."""
    loss = row.values.get("loss")
    if penalty is None or loss is None or loss <= 0 or not math.isfinite(penalty / loss):
        return None
    return penalty / loss


def _environment() -> Environment:
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return Environment(
        python=platform.python_version(),
        keras=keras.__version__,
        tensorflow=tf.__version__,
        numpy=np.__version__,
        devices=tuple(each.get("device_name", "GPU") for each in details) or ("CPU",),
    )
