"""Trains the model a spec says, from rows to exported files."""

from ridgeline.contract.curves import EpochRow
from ridgeline.contract.report import Report
from ridgeline.contract.resolve import Resolution, resolve
from ridgeline.contract.spec import JobSpec
from worker.engine.checkpoint import CheckpointStore, fingerprint
from worker.engine.context import TrainingContext, TrainingFailed, TrainingResult
from worker.engine.data import Data, prepare_data
from worker.engine.epoch import CompiledEpoch
from worker.engine.export import export
from worker.engine.fitting import Fitting
from worker.engine.measurements import test_values
from worker.engine.model import Network
from worker.engine.objective import Objective, build_objective
from worker.engine.passes import decoding, evaluate_pass, place, row_spec


def train(spec: JobSpec, context: TrainingContext) -> TrainingResult:
    """Train `spec`, telling `context` of every epoch; go on from its checkpoint if it has one.

    Raises TrainingFailed where a loss is no longer finite, TrainingStopped where the context asks
    to stop.
    """
    resolution = resolve(spec, memory_limit=None)
    data = prepare_data(resolution, context.workdir)
    network = Network(resolution)
    objective = build_objective(resolution, network, data)
    epoch = CompiledEpoch(
        network,
        objective,
        row_spec(data.train),
        decoding(data),
        batch_size=spec.training.batch_size,
    )
    fitting = Fitting(resolution, network, objective, epoch, data)
    fitting.run(context, _store(spec, context))
    metrics = fitting.rows[-1].values | _test_metrics(epoch, objective, data, spec)
    files = export(network, objective, data, spec.outputs, context.workdir)
    return TrainingResult(metrics=metrics, files=files)
