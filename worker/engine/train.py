"""Trains the model a spec says, from rows to exported files."""

import time

import numpy as np
import tensorflow as tf

from ridgeline.contract.curves import EpochRow
from ridgeline.contract.job import EndCode
from ridgeline.contract.report import Report
from ridgeline.contract.resolve import Resolution, resolve
from ridgeline.contract.spec import JobSpec
from ridgeline.contract.training import Training
from worker.engine.baseline import constant_baseline
from worker.engine.context import (
    TrainingContext,
    TrainingFailed,
    TrainingResult,
    TrainingStopped,
)
from worker.engine.data import Data, Part, prepare_data
from worker.engine.diagnosis import TrainedRun, build_report, trained_weights, write_report
from worker.engine.epoch import CompiledEpoch, Controls, Rows
from worker.engine.export import export
from worker.engine.measurements import epoch_row, values_of
from worker.engine.model import Network
from worker.engine.objective import Objective, build_objective


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train `spec`, telling `context` of every epoch.

    Raises TrainingFailed where a loss is no longer finite, with the report up to there, and
    TrainingStopped where the context asks to stop.
    """
    resolution = resolve(spec, memory_limit=None)
    data = prepare_data(resolution)
    network = Network(resolution)
    objective = build_objective(resolution, network)
    epoch = CompiledEpoch(
        network, objective, row_spec(data.train), batch_size=spec.training.batch_size
    )
    rows: list[EpochRow] = []
    try:
        fit(epoch, network, objective, data, spec.training, context, rows)
    except TrainingFailed as failure:
        failure.report = _report(rows, resolution, network, data)
        raise
    metrics = rows[-1].values | _test_metrics(epoch, objective, data.test)
    files = export(network, objective, data, spec.outputs, context.workdir)
    report = _report(rows, resolution, network, data)
    files = (*files, write_report(report, context.workdir))
    return TrainingResult(metrics=metrics, files=files, report=report)


def fit(
    epoch: CompiledEpoch,
    network: Network,
    objective: Objective,
    data: Data,
    training: Training,
    context: TrainingContext,
    history: list[EpochRow],
) -> None:
    """Run every epoch, adding its row to `history`."""
    rows, validation = on_device(data.train), None
    if data.validation.rows:
        validation = on_device(data.validation)
    coefficients = objective.penalties.coefficients
    for number in range(1, training.epochs + 1):
        started = time.perf_counter()
        controls = Controls(coefficients, network.rates, mask_seed(training.seed, number))
        trained = epoch.train(rows, row_order(training.seed, number, data.train.rows), controls)
        validated = epoch.evaluate(validation, coefficients) if validation else None
        row = epoch_row(number, objective, trained, validated, started)
        history.append(row)
        context.epoch_ended(row)
        _check_finite(row, training)
        if number < training.epochs and context.stop_requested():
            raise TrainingStopped


def row_order(seed: int, epoch: int, rows: int) -> tf.Tensor:
    """The order of rows in an epoch: a permutation of its own for every (seed, epoch)."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return tf.constant(order, tf.int32)


def mask_seed(seed: int, epoch: int) -> tf.Tensor:
    """Two numbers from which an epoch's dropout masks follow, shape (2,)."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(2)
    return tf.constant(state.astype(np.int32), tf.int32)


def on_device(part: Part) -> Rows:
    """Put a part's rows on the device."""
    return Rows(tf.constant(part.x), tf.constant(part.y))


def row_spec(part: Part) -> Rows:
    """What the rows of any part look like to TensorFlow."""
    return Rows(*(tf.TensorSpec([None, *a.shape[1:]], a.dtype) for a in (part.x, part.y)))


def _report(rows: list[EpochRow], resolution: Resolution, network: Network, data: Data) -> Report:
    training = resolution.spec.training
    run = TrainedRun(
        rows=rows,
        resolved=resolution.spec,
        weights=trained_weights(network.layers.values()),
        penalties=resolution.penalties,
        learning_rate=rows[-1].values["learning_rate"] or 0.0,
        weight_decay=getattr(training.optimizer, "weight_decay", 0.0),
        baseline=constant_baseline(training.loss.name, data.train.y),
    )
    return build_report(run)


def _test_metrics(
    epoch: CompiledEpoch, objective: Objective, test: Part
) -> dict[str, float | None]:
    if not test.rows:
        return {}
    measured = epoch.evaluate(on_device(test), objective.penalties.coefficients)
    return values_of(measured, prefix="test_")[0]


def _check_finite(row: EpochRow, training: Training) -> None:
    broken = [name for name in ("data_loss", "penalty", "val_data_loss") if name in row.nonfinite]
    if not broken:
        return
    raise TrainingFailed(
        EndCode.DIVERGED,
        f"{', '.join(broken)} became infinite or NaN in epoch {row.epoch}; lower"
        f" training.optimizer.learning_rate (it is {training.optimizer.learning_rate:g}) or the"
        " regularization strength",
    )
