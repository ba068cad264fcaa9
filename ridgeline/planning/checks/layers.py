"""Whether layers suit their inputs: padding masks, token numbers, augmentation."""

from collections.abc import Iterator, Mapping, Sequence

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.loss_fit import TargetEncoding
from ridgeline.planning.posted import Path
from ridgeline.planning.wiring import INPUT, consumers
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.augmentation import Augmentation
from ridgeline.spec.layers.core import Embedding
from ridgeline.spec.layers.pooling import GlobalAveragePooling1D
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.training import Precision

_EXACT = 257
"""bfloat16 holds every whole number below it; float16 holds more."""


def check_masks(graph: Graph, position: Mapping[str, int]) -> None:
    """Raise SpecError if Keras would fail on a padding mask at the first batch."""
    faults = [
        _mask_fault(node, masked, pointer("model", "layers", position[node.name]))
        for node, masked in _masked(graph)
        if node.layer.masking(masked, *node.input_shapes) == "rejected"
    ]
    if faults:
        raise SpecError(faults)


def lost_masks(graph: Graph) -> list[Node]:
    """The layers that ignore their input's mask and so treat padding like any token."""
    return [
        node
        for node, masked in _masked(graph)
        if node.layer.masking(masked, *node.input_shapes) == "lost"
    ]


def masked_means(graph: Graph) -> list[Node]:
    """The layers that divide by the number of steps that are not padding, which may be 0."""
    return [node for node, _ in _masked(graph) if isinstance(node.layer, GlobalAveragePooling1D)]


def _masked(graph: Graph) -> list[tuple[Node, Sequence[bool]]]:
    """The layers with a masked input, and which of their inputs are masked.

    A mask is over all axes of a row but the last, and a loss reads an output of one axis; so no
    mask reaches the loss, which Keras would weight by it.
    """
    masking: set[str] = set()
    masked_nodes: list[tuple[Node, Sequence[bool]]] = []
    for node in graph.nodes:
        masked = [name in masking for name in node.layer.inputs or ()]
        if any(masked):
            masked_nodes.append((node, masked))
        passed = any(masked) and node.layer.masking(masked, *node.input_shapes) == "passed"
        if passed or node.layer.makes_mask():
            masking.add(node.name)
    return masked_nodes


def _mask_fault(node: Node, masked: Sequence[bool], at: str) -> Fault:
    names = zip(node.layer.inputs or (), masked, strict=True)
    sources = " and ".join(dict.fromkeys(repr(name) for name, has_mask in names if has_mask))
    return Fault(
        pointer=at,
        detail=f"{node.layer.type_name()} expects inputs without a padding mask, received one from"
        f" {sources}: set mask_zero to false in the Embedding, or use a recurrent layer or"
        " GlobalAveragePooling1D before, which consumes the mask",
        rule="mask-fits",
    )


def check_tokens(
    graph: Graph, tokens: int | None, precision: Precision, position: Mapping[str, int]
) -> None:
    """Raise SpecError if an Embedding does not read token numbers, or has too few vectors.

    `tokens`: the data are whole numbers below it; None if they are not. For a number without a
    vector TensorFlow fails in the middle of training, or on a GPU silently uses zeros.
    """
    moved, faults = {INPUT}, []
    for node in graph.nodes:
        for embedding, path in _embeddings(node.layer):
            at: Path = ("model", "layers", position[node.name], *path)
            faults += [
                Fault(pointer=pointer(*at, *argument), detail=detail, rule="embeds-tokens")
                for argument, detail in _token_problems(node, embedding, tokens, moved, precision)
            ]
        if node.layer.keeps_numbers() and moved.issuperset(node.layer.inputs or ()):
            moved.add(node.name)
    if faults:
        raise SpecError(faults)


def _embeddings(layer: Layer) -> Iterator[tuple[Embedding, tuple[str, ...]]]:
    if isinstance(layer, Embedding):
        yield layer, ()
    if isinstance(layer, Wrapper):
        yield from ((inner, ("layer", *path)) for inner, path in _embeddings(layer.layer))


def _token_problems(
    node: Node, embedding: Embedding, tokens: int | None, moved: set[str], precision: Precision
) -> Iterator[tuple[tuple[str, ...], str]]:
    (source,) = node.layer.inputs or (INPUT,)
    if source not in moved:
        detail = (
            f"expected the Embedding {node.name!r} to read the data's token numbers, directly or"
            f" after layers that only move numbers; received it after {source!r}"
        )
        yield (), detail
    elif tokens is None:
        detail = (
            f"expected whole numbers as data for the Embedding {node.name!r}, received real values;"
            ' encode texts as "sequence", or use scaling "none" for pixels, ordinals and other'
            " whole numbers from 0"
        )
        yield (), detail
    elif embedding.input_dim < tokens:
        detail = (
            f"expected at least {tokens}, since the data has numbers up to {tokens - 1}; received"
            f" {embedding.input_dim}"
        )
        yield ("input_dim",), detail
    elif precision != "float32" and tokens > _EXACT and node.layer is not embedding:
        detail = (
            f"expected the Embedding of {node.name!r} without a wrapper if precision is"
            f' "{precision}", which rounds token numbers from {_EXACT}; remove the wrapper or use'
            ' precision "float32"'
        )
        yield (), detail


def check_augmentation(graph: Graph, encoding: TargetEncoding, position: Mapping[str, int]) -> None:
    """Raise SpecError for an augmentation that does not act on the data.

    It must come before every layer with weights. A layer that mixes labels needs one-hot targets,
    and all data must pass through it. `position` is each layer's index in the spec.
    """
    faults = [*_after_weights(graph, position), *_mixing_faults(graph, encoding, position)]
    if faults:
        raise SpecError(faults)


def _after_weights(graph: Graph, position: Mapping[str, int]) -> Iterator[Fault]:
    weighted: set[str] = set()
    for node in graph.nodes:
        weighted_inputs = weighted.intersection(node.layer.inputs or ())
        if weighted_inputs and isinstance(node.layer, Augmentation):
            detail = (
                f"expected {node.layer.type_name()}, an augmentation, before every layer with"
                f" weights; received it after {min(weighted_inputs)!r}"
            )
            yield Fault(pointer=_at(node, position), detail=detail, rule="augments-data")
        if weighted_inputs or node.weights:
            weighted.add(node.name)


def _mixing_faults(
    graph: Graph, encoding: TargetEncoding, position: Mapping[str, int]
) -> Iterator[Fault]:
    for node in graph.nodes:
        if not node.layer.mixes_labels:
            continue
        at, kind = _at(node, position), node.layer.type_name()
        if encoding != "one_hot":
            detail = (
                f"{kind} mixes targets, so it expects them one-hot; use categorical_crossentropy"
                " and an output of one unit per class"
            )
            yield Fault(pointer=at, detail=detail, rule="mixes-one-hot")
        if not _sees_all_data(node, graph):
            detail = (
                f"{kind} mixes rows and their targets; expected all data to pass through it, and"
                " only augmentation and rescaling before it"
            )
            yield Fault(pointer=at, detail=detail, rule="mixes-data")


def _sees_all_data(node: Node, graph: Graph) -> bool:
    """Whether all data passes through `node`, with only augmentation and rescaling before it.

    A row that bypassed it would be trained on with another row's target.
    """
    nodes = {other.name: other for other in graph.nodes}
    readers = consumers([other.layer for other in graph.nodes])
    while True:
        (source,) = node.layer.inputs or (INPUT,)
        if len(readers[source]) > 1:
            return False
        if source == INPUT:
            return True
        node = nodes[source]
        if not (isinstance(node.layer, Augmentation) or _follows(node)):
            return False


def _follows(node: Node) -> bool:
    return node.layer.follows and node.layer.arity == (1, 1) and not node.weights


def _at(node: Node, position: Mapping[str, int]) -> str:
    return pointer("model", "layers", position[node.name])
