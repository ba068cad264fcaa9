"""How much disk an attempt at a job takes, by integer arithmetic."""

from typing import NamedTuple

from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.graph import BYTES_PER_NUMBER, Graph, build_graph, optimizer_numbers
from ridgeline.spec.dataset import Dataset, UploadDataset
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.outputs import OutputName

CHECKPOINTS_AT_ONCE = 3
"""Two are kept while the next is written."""
_ROW_NUMBER_BYTES = 8
_EVENT_BYTES = 96
"""Of a number in an event file, its tag included."""
_LOSSES = 12
"""Losses, penalty, gap and learning rate in all runs of an event file."""
_RUNS = 3
_KINDS = 2
"""L1 and L2."""
_WORD_BYTES = 32
"""Of a word of a vocabulary, about."""
_MARGIN_BYTES = 2**16
"""For one file's header, names and graph, and for the report."""


class DiskNeed(NamedTuple):
    """Bytes an attempt takes at most, about."""

    files: int
    """What it makes for publication, and the rows that it streams."""
    checkpoints: int


def disk_need(resolved: JobSpec) -> DiskNeed:
    """Estimate the disk that training takes; raises SpecError for a spec that does not fit."""
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
    if output in ("keras", "weights"):  # the optimizer's state goes with it
        return trained + _MARGIN_BYTES
    if output == "saved_model":  # a folder, and the archive that is made of it
        return 2 * (model + _MARGIN_BYTES)
    if output == "tensorboard":  # it grows with the epochs, not with the model
        return _MARGIN_BYTES
    return model + _MARGIN_BYTES


def _event_bytes(spec: JobSpec, graph: Graph) -> int:
    """The event files and the archive of them: every series and penalty, once an epoch."""
    penalties = sum(len(node.weights) for node in graph.nodes)
    series = _LOSSES + _RUNS * len(spec.training.metrics) + _KINDS * penalties
    return 2 * spec.training.epochs * series * _EVENT_BYTES


def _encoding_bytes(dataset: Dataset) -> int:
    """How a row of an upload was encoded, with its vocabularies."""
    if not isinstance(dataset, UploadDataset):
        return 0
    words = sum(getattr(each, "num_words", 0) for each in dataset.encodings.values())
    return len(dataset.model_dump_json()) + words * _WORD_BYTES


def _best_kept(spec: JobSpec) -> int:
    """How many sets of best weights a checkpoint holds besides the present ones."""
    early, policy = spec.training.early_stopping, spec.regularization
    raising = any(
        each is not None and each.raise_on_overfit is not None
        for each in (policy.weights, policy.dropout)
    )
    return int(early is not None and early.restore_best_weights) + int(raising)
