"""The disk space that an attempt at a job needs, by integer arithmetic."""

from typing import NamedTuple

from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.graph import BYTES_PER_NUMBER, Graph, build_graph
from ridgeline.planning.memory import optimizer_numbers
from ridgeline.spec.dataset import Dataset, UploadDataset
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.outputs import OutputName

CHECKPOINTS_AT_ONCE = 3
"""Two are kept while a third is written."""
_ROW_NUMBER_BYTES = 8
_EVENT_BYTES = 96
"""Bytes of a number in an event file, including its tag."""
_LOSSES = 12
"""Losses, penalties, gap and learning rate in all runs of an event file."""
_RUNS = 3
_KINDS = 2
"""L1 and L2."""
_WORD_BYTES = 32
"""Bytes of a vocabulary's word, about."""
_MARGIN_BYTES = 2**16
"""For a file's header, names and graph, and for the report."""


class DiskNeed(NamedTuple):
    """Estimated upper bounds in bytes."""

    files: int
    """Artifacts, and the rows to stream."""
    checkpoints: int


def disk_need(resolved: JobSpec) -> DiskNeed:
    """Estimate the disk space for training. Raises SpecError if the spec is invalid."""
    graph = build_graph(resolved.model.layers, dataset_shape(resolved.dataset).features)
    data = dataset_shape(resolved.dataset)
    model = BYTES_PER_NUMBER * graph.parameters.total
    trained = model + BYTES_PER_NUMBER * optimizer_numbers(graph, resolved.training.optimizer)
    files = sum(_file_bytes(output, model, trained) for output in resolved.outputs)
    if "tensorboard" in resolved.outputs:
        files += _event_bytes(resolved, graph)
    files += data.all_rows * _ROW_NUMBER_BYTES + _MARGIN_BYTES + _encoding_bytes(resolved.dataset)
    if resolved.dataset.loading == "stream":
        files += data.all_rows * data.row_bytes
    kept = trained * (1 + _best_kept(resolved)) + _MARGIN_BYTES
    return DiskNeed(files, CHECKPOINTS_AT_ONCE * kept)


def _file_bytes(output: OutputName, model: int, trained: int) -> int:
    if output in ("keras", "weights"):  # includes the optimizer's state
        return trained + _MARGIN_BYTES
    if output == "saved_model":  # a folder and its archive
        return 2 * (model + _MARGIN_BYTES)
    if output == "tensorboard":  # grows with the epochs, not with the model
        return _MARGIN_BYTES
    return model + _MARGIN_BYTES


def _event_bytes(spec: JobSpec, graph: Graph) -> int:
    """Bytes of the event files and their archive: every series and penalty, once per epoch."""
    penalties = sum(len(node.weights) for node in graph.nodes)
    series = _LOSSES + _RUNS * len(spec.training.metrics) + _KINDS * penalties
    return 2 * spec.training.epochs * series * _EVENT_BYTES


def _encoding_bytes(dataset: Dataset) -> int:
    """Bytes of `features.json`, with the vocabularies."""
    if not isinstance(dataset, UploadDataset):
        return 0
    words = sum(getattr(encoding, "num_words", 0) for encoding in dataset.encodings.values())
    return len(dataset.model_dump_json()) + words * _WORD_BYTES


def _best_kept(spec: JobSpec) -> int:
    """Number of sets of best weights in a checkpoint, besides the current weights."""
    early, policy = spec.training.early_stopping, spec.regularization
    raising = any(
        part is not None and part.raise_on_overfit is not None
        for part in (policy.weights, policy.dropout)
    )
    return int(early is not None and early.restore_best_weights) + int(raising)
