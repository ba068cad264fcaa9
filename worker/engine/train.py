"""Trains the model a spec says, from rows to exported files."""

import time

from ridgeline.api.report import Report
from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.job_spec import JobSpec
from worker.engine.bad_rows import describe_bad_rows
from worker.engine.checkpoint import CheckpointStore, fingerprint
from worker.engine.context import TrainingContext, TrainingFailed, TrainingResult
from worker.engine.data import Data, prepare_data
from worker.engine.diagnosis.baseline import constant_baseline, perfect_loss
from worker.engine.diagnosis.report import TrainedRun, build_report, write_report
from worker.engine.epoch import CompiledEpoch
from worker.engine.export import Exporting
from worker.engine.export.tensorboard import write_tensorboard
from worker.engine.export.write import write_features
from worker.engine.fitting import Fitting
from worker.engine.model import Network
from worker.engine.objective import Objective, build_objective, class_weights, row_classes
from worker.engine.passes import decoding, row_spec


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train `spec`, telling `context` of every epoch; go on from its checkpoint if it has one.

    Raises TrainingFailed with a report if a loss is no longer finite, and TrainingStopped if the
    context asks to stop.
    """
    resolution = resolve(spec, memory_limit=None)
    context.phase("preparing the data")
    data = prepare_data(
        resolution, context.workdir / "rows", file=context.dataset_file, phase=context.phase
    )
    context.phase("building the network")
    network = Network(resolution)
    objective = build_objective(resolution, network, data)
    epoch = _compiled(spec, network, objective, data)
    fitting = Fitting(resolution, network, objective, epoch, data)
    context.phase("training")
    try:
        fitting.run(context, _checkpoints(spec, context))
    except TrainingFailed as failure:
        context.phase("looking for the cause")
        fault = _data_fault(resolution, data)
        failure.detail = fault or failure.detail
        context.phase("reporting")
        failure.report = _report(fitting, resolution, network, data, fault)
        raise
    ended_at = time.time()
    context.phase("measuring")
    metrics = fitting.final_values()
    fault = None
    if metrics.get("test_data_loss", 0.0) is None:
        fault = describe_bad_rows(network, resolution, data, ["test"])
    network.settle(fitting.penalties, fitting.rates)
    exporting = Exporting(network, objective, data, spec.outputs, context)
    context.phase("reporting")
    report = _report(fitting, resolution, network, data, fault)
    files, refused = exporting.settle()
    files = (*files, *write_features(data, context.workdir), write_report(report, context.workdir))
    if "tensorboard" in spec.outputs:
        context.phase("exporting tensorboard")
        board = write_tensorboard(fitting.rows, report, spec, context.workdir, ended_at)
        files = (*files, board)
    return TrainingResult(
        metrics=metrics, files=files, report=report, detail=fitting.ending, refused=refused
    )


def _compiled(spec: JobSpec, network: Network, objective: Objective, data: Data) -> CompiledEpoch:
    rows = row_spec(data.train)
    batch_size = spec.training.batch_size
    return CompiledEpoch(
        network, objective, rows, decoding(data), rows=data.train.rows, batch_size=batch_size
    )


def _data_fault(resolution: Resolution, data: Data) -> str | None:
    """Rows that no training could learn: their loss is not finite before the first step either."""
    fault = describe_bad_rows(Network(resolution), resolution, data, ["train", "validation"])
    return fault and f"before the first step of training {fault} A lower learning rate cannot help."


def _checkpoints(spec: JobSpec, context: TrainingContext) -> CheckpointStore | None:
    if context.checkpoints is None:
        return None
    return CheckpointStore(context.checkpoints, fingerprint(spec.model_dump_json()))


def _report(
    fitting: Fitting, resolution: Resolution, network: Network, data: Data, fault: str | None
) -> Report:
    run = TrainedRun(
        rows=fitting.rows,
        resolved=resolution.spec,
        weights=[
            (layer, weight, variable.numpy())
            for (layer, weight), variable in network.weights.items()
            if variable.trainable
        ],
        penalties=fitting.penalties,
        learning_rate=fitting.rows[-1].values["learning_rate"] or 0.0,
        baseline=_baseline(resolution, data),
        floor=_floor(resolution, data),
        raises=fitting.raises,
        kept_epoch=fitting.kept_epoch,
        stopped=fitting.stopped,
        data_fault=fault,
    )
    return build_report(run)


def _baseline(resolution: Resolution, data: Data) -> float | None:
    """The loss of the best constant prediction, which the model has to beat."""
    training, y = resolution.spec.training, data.train.y
    weights = class_weights(
        training, resolution.encoding, y, dataset_shape(resolution.spec.dataset).classes
    )
    counts = None if weights is None else weights[row_classes(y, resolution.encoding)]
    smoothing = getattr(training.loss, "label_smoothing", 0.0)
    return constant_baseline(training.loss.name, y, label_smoothing=smoothing, row_weights=counts)


def _floor(resolution: Resolution, data: Data) -> float:
    """The loss of a perfect prediction."""
    loss, columns = resolution.spec.training.loss, data.train.y.shape[-1]
    smoothing = getattr(loss, "label_smoothing", 0.0)
    return perfect_loss(loss.name, columns, label_smoothing=smoothing)
