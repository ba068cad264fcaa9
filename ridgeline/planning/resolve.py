"""Resolves a spec: spells out what will be trained, or says why it cannot be."""

from collections.abc import Mapping
from dataclasses import dataclass

from ridgeline.planning.advice import Advice, Case, advise
from ridgeline.planning.checks.dataset import (
    check_classes,
    check_own_rows,
    own_rows_spelled_out,
    with_hint,
)
from ridgeline.planning.checks.layers import check_augmentation, check_masks, check_tokens
from ridgeline.planning.checks.training import check_fitting, check_proximal, check_raising
from ridgeline.planning.checks.weights import check_applicable
from ridgeline.planning.dataset import dataset_shape, spell_out
from ridgeline.planning.graph import Graph, Node, Parameters, build_graph
from ridgeline.planning.loss_fit import TargetEncoding
from ridgeline.planning.memory import memory_bytes
from ridgeline.planning.output_range import Range, target_range
from ridgeline.planning.picture_range import picture_range, with_value_ranges
from ridgeline.planning.policy import apply_policy, penalty_terms
from ridgeline.planning.posted import at_preset
from ridgeline.planning.targets import target_encoding
from ridgeline.planning.wiring import positions, wire
from ridgeline.spec.dataset import (
    DatasetShape,
    Split,
    SplitRows,
    UploadDataset,
    split_rows,
)
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import MAX_LAYERS, JobSpec, Model
from ridgeline.spec.layers import Layer
from ridgeline.spec.outputs import check_outputs
from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.regularization.regularizers import PenaltyTerm

DEFAULT_MEMORY_LIMIT = 8 * 2**30


@dataclass(frozen=True)
class Resolution:
    """A spec with everything spelled out, and what follows from it."""

    spec: JobSpec
    graph: Graph
    rows: SplitRows
    encoding: TargetEncoding
    penalties: tuple[PenaltyTerm, ...]
    memory_bytes: int
    advice: tuple[Advice, ...]

    @property
    def parameters(self) -> Parameters:
        """The size of the model."""
        return self.graph.parameters


def resolve(spec: JobSpec, *, memory_limit: int | None = DEFAULT_MEMORY_LIMIT) -> Resolution:
    """Spell out every default, name, input, dropout layer and regularizer of `spec`.

    Idempotent: the policy becomes part of the layers. Raises SpecError, with JSON pointers, if the
    spec cannot be trained within `memory_limit` bytes (None: no limit).
    """
    try:
        return _resolve(spec, memory_limit)
    except SpecError as error:
        if isinstance(spec.model, Model):
            raise
        raise at_preset(error, spec) from None


def _resolve(posted: JobSpec, memory_limit: int | None) -> Resolution:
    spec = _with_dataset(posted)
    data = dataset_shape(spec.dataset)
    check_own_rows(spec.dataset, spec.split)
    spec = own_rows_spelled_out(spec)
    rows = _split(spec.split, data)
    check_classes(spec.dataset, spec.split, spec.training.seed)
    wired = with_value_ranges(wire(spec.model.layers), picture_range(spec.dataset))
    position = positions(spec.model.layers)
    graph = build_graph(wired, data.features, position)
    targets = target_range(spec.dataset)
    encoding = _encoding(posted, data, graph, targets)
    check_fitting(spec.training, classes=data.classes, validates=rows.validation > 0)
    check_raising(spec.regularization, validates=rows.validation > 0)
    final = build_graph(_with_policy(graph, spec.regularization), data.features)
    check_applicable(spec, final, position)
    check_masks(final, position)
    check_tokens(final, data.tokens, spec.training.precision, position)
    check_outputs(spec.outputs, [node.layer for node in final.nodes], final.parameters.total)
    check_augmentation(final, encoding, position)
    penalties = _penalties(final, batch_size=spec.training.batch_size, rows=rows.train)
    check_proximal(spec.training, penalties)
    needed = _needed(spec, data, final, memory_limit)
    if memory_limit is not None and needed > memory_limit:
        raise SpecError([_too_large(spec, data, final, position, needed, memory_limit)])
    return Resolution(
        spec=_spelled_out(spec, final),
        graph=final,
        rows=rows,
        encoding=encoding,
        penalties=penalties,
        memory_bytes=needed,
        advice=advise(Case(posted, final, position, rows, penalties, spec.dataset, encoding)),
    )


def _with_dataset(spec: JobSpec) -> JobSpec:
    """The spec with the defaults of a stored data set that depend on its contents."""
    if not isinstance(spec.dataset, UploadDataset):
        return spec
    return spec.model_copy(update={"dataset": spell_out(spec.dataset)})


def _needed(spec: JobSpec, data: DatasetShape, graph: Graph, limit: int | None) -> int:
    """Memory for training; with `auto` loading, rows stream if they do not fit within `limit`."""
    held, loading = _memory(spec, data, graph, stream=False), spec.dataset.loading
    too_much = limit is not None and held > limit
    if loading == "stream" or (loading == "auto" and too_much):
        return _memory(spec, data, graph, stream=True)
    return held


def _memory(spec: JobSpec, data: DatasetShape, graph: Graph, *, stream: bool) -> int:
    return memory_bytes(
        graph,
        data,
        batch_size=spec.training.batch_size,
        optimizer=spec.training.optimizer,
        stream=stream,
        archived="keras" in spec.outputs,
    )


def _split(split: Split, data: DatasetShape) -> SplitRows:
    rows = split_rows(split, data)
    if split.stratify and data.classes is None:
        detail = "expected false: the target is a real value, so there are no classes to stratify"
        at = pointer("split", "stratify")
        raise SpecError([Fault(pointer=at, detail=detail, rule="stratify-classes")])
    least = (data.classes or 1) if split.stratify else 1
    # Without the test rows, a class needs two rows to be split again.
    least_train = 2 * least if split.stratify else 1
    if rows.train < least_train:
        detail = (
            f"expected validation and test to leave at least {least_train} training row(s); of"
            f" {data.rows} rows they leave {max(rows.train, 0)}"
        )
        raise SpecError([Fault(pointer=pointer("split"), detail=detail, rule="training-rows")])
    for part in ("validation", "test"):
        fraction, size = getattr(split, part), getattr(rows, part)
        if fraction and size < least:
            detail = (
                f"{fraction:g} of {data.rows} rows is {size}; expected 0, or at least {least}"
                " row(s)"
            )
            at = pointer("split", part)
            raise SpecError([Fault(pointer=at, detail=detail, rule="split-rows")])
    return rows


def _encoding(
    posted: JobSpec, data: DatasetShape, graph: Graph, targets: Range | None
) -> TargetEncoding:
    try:
        return target_encoding(posted.training, data, graph, targets)
    except SpecError as error:
        raise with_hint(error, posted.dataset, posted.training.loss) from None


def _with_policy(graph: Graph, policy: Regularization) -> tuple[Layer, ...]:
    wired = tuple(node.layer for node in graph.nodes)
    layers = apply_policy(wired, policy, {node.name: node.weights for node in graph.nodes})
    if len(layers) > MAX_LAYERS:
        detail = (
            f"with the policy's dropout the model would have {len(layers)} layers, the limit is"
            f" {MAX_LAYERS}; name fewer families in `after`, or use fewer layers"
        )
        at = pointer("regularization", "dropout")
        raise SpecError([Fault(pointer=at, detail=detail, rule="too-many-layers")])
    return layers


def _penalties(graph: Graph, *, batch_size: int, rows: int) -> tuple[PenaltyTerm, ...]:
    return tuple(
        term
        for node in graph.nodes
        for term in penalty_terms(node.layer, node.weights, batch_size=batch_size, rows=rows)
    )


def _too_large(
    spec: JobSpec,
    data: DatasetShape,
    graph: Graph,
    position: Mapping[str, int],
    needed: int,
    limit: int,
) -> Fault:
    problem = (
        f"training would need about {needed / 2**30:,.1f} GiB of memory, the limit is"
        f" {limit / 2**30:,.1f} GiB"
    )
    if spec.dataset.loading == "memory" and _memory(spec, data, graph, stream=True) <= limit:
        return Fault(
            pointer=pointer("dataset", "loading"),
            detail=f'{problem}; use "stream", which reads rows from disk, or use fewer rows',
            rule="memory",
        )
    batch = min(spec.training.batch_size, data.rows)
    largest = max(graph.nodes, key=lambda node: _size(node, batch))
    return Fault(
        pointer=pointer("model", "layers", position[largest.name]),
        detail=f"{problem}; {largest.name!r} is the largest layer: make it smaller, or use a"
        " smaller batch_size",
        rule="memory",
    )


def _size(node: Node, batch: int) -> int:
    """Numbers a layer needs. A dropout that the policy adds needs no more than its input layer."""
    return sum(weight.size for weight in node.weights) + batch * node.activations


def _spelled_out(spec: JobSpec, graph: Graph) -> JobSpec:
    model = Model(layers=tuple(node.layer for node in graph.nodes))
    policy = _lasting(spec.regularization)
    return spec.model_copy(update={"model": model, "regularization": policy})


def _lasting(policy: Regularization) -> Regularization:
    """The part of the policy that acts during training, the raises; the rest is in the layers.

    Applying it again changes nothing: every layer has its penalties, every site its dropout.
    """
    weights, dropout = policy.weights, policy.dropout
    return Regularization(
        weights=weights if weights and weights.raise_on_overfit else None,
        dropout=dropout if dropout and dropout.raise_on_overfit else None,
    )
