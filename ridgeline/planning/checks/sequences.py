"""What becomes of the padding that `Embedding(mask_zero=True)` masks, layer by layer.

A mask ends before the output: it is over all axes of a row but the last, and what a loss is
computed from has one axis. So no mask reaches the loss, which Keras would weigh by it.


Whether an Embedding reads token numbers, and has a vector for each of them.
"""

from collections.abc import Iterator, Mapping, Sequence

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.posted import Path
from ridgeline.planning.wiring import INPUT
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.core import Embedding
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.training import Precision

_EXACT = 257
"""bfloat16 holds every whole number below it, float16 more."""


def check_masks(graph: Graph, position: Mapping[str, int]) -> None:
    """Raise SpecError where Keras would fail on a mask at the first batch."""
    faults = [
        _misfit(node, masked, pointer("model", "layers", position[node.name]))
        for node, masked in _masked(graph)
        if node.layer.masking(masked, *node.input_shapes) == "refused"
    ]
    if faults:
        raise SpecError(faults)


def lost_masks(graph: Graph) -> list[Node]:
    """The layers that take a masked input and compute with the padding as with any token."""
    return [
        node
        for node, masked in _masked(graph)
        if node.layer.masking(masked, *node.input_shapes) == "lost"
    ]


def _masked(graph: Graph) -> list[tuple[Node, Sequence[bool]]]:
    """The layers that take a mask, with the inputs that have one."""
    carrying: set[str] = set()
    found: list[tuple[Node, Sequence[bool]]] = []
    for node in graph.nodes:
        masked = [name in carrying for name in node.layer.inputs or ()]
        if any(masked):
            found.append((node, masked))
        passed = any(masked) and node.layer.masking(masked, *node.input_shapes) == "passed"
        if passed or node.layer.makes_mask():
            carrying.add(node.name)
    return found


def _misfit(node: Node, masked: Sequence[bool], at: str) -> Fault:
    names = zip(node.layer.inputs or (), masked, strict=True)
    sources = " and ".join(dict.fromkeys(repr(name) for name, has_mask in names if has_mask))
    return Fault(
        pointer=at,
        detail=f"expected an input without a mask of padding; that of {sources} does not fit"
        f" {node.layer.type_name()}: set mask_zero to false in the Embedding, or end the mask"
        " before with a recurrent layer or GlobalAveragePooling1D",
        rule="mask-fits",
    )


def check_tokens(
    graph: Graph, tokens: int | None, precision: Precision, position: Mapping[str, int]
) -> None:
    """Raise SpecError for an Embedding of what are no token numbers, or of more than it has.

    `tokens`: the data are whole numbers below it; None where they are not. TensorFlow fails on a
    number without a vector in the middle of training, on a GPU it silently takes zeros.
    """
    moved, faults = {INPUT}, []
    for node in graph.nodes:
        for embedding, path in _embeddings(node.layer):
            at: Path = ("model", "layers", position[node.name], *path)
            faults += [
                Fault(pointer=pointer(*at, *argument), detail=detail, rule="embeds-tokens")
                for argument, detail in _misfits(node, embedding, tokens, moved, precision)
            ]
        if node.layer.keeps_numbers() and moved.issuperset(node.layer.inputs or ()):
            moved.add(node.name)
    if faults:
        raise SpecError(faults)


def _embeddings(layer: Layer) -> Iterator[tuple[Embedding, tuple[str, ...]]]:
    if isinstance(layer, Embedding):
        yield layer, ()
    if isinstance(layer, Wrapper):
        yield from ((each, ("layer", *path)) for each, path in _embeddings(layer.layer))


def _misfits(
    node: Node, embedding: Embedding, tokens: int | None, moved: set[str], precision: Precision
) -> Iterator[tuple[tuple[str, ...], str]]:
    (source,) = node.layer.inputs or (INPUT,)
    if source not in moved:
        detail = (
            f"Embedding reads the token numbers of the data; expected {node.name!r} on them, behind"
            f" nothing but layers that move numbers about, received it behind {source!r}"
        )
        yield (), detail
    elif tokens is None:
        detail = (
            f"expected data of whole numbers for the Embedding {node.name!r}; these are real"
            ' values: use texts encoded as "sequence", or scaling "none" for pixels, ordinals and'
            " other whole numbers from 0 on"
        )
        yield (), detail
    elif embedding.input_dim < tokens:
        detail = (
            f"expected at least {tokens}, for the data hold numbers up to {tokens - 1}; received"
            f" {embedding.input_dim}"
        )
        yield ("input_dim",), detail
    elif precision != "float32" and tokens > _EXACT and node.layer is not embedding:
        detail = (
            f"expected the Embedding of {node.name!r} without a layer around it where precision is"
            f' "{precision}": that rounds token numbers from {_EXACT} on'
        )
        yield (), detail
