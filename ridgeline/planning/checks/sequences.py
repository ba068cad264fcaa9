"""What becomes of the padding that `Embedding(mask_zero=True)` masks, layer by layer.

A mask ends before the output: it is over all axes of a row but the last, and what a loss is
computed from has one axis. So no mask reaches the loss, which Keras would weigh by it.
"""

from collections.abc import Mapping, Sequence

from ridgeline.planning.graph import Graph, Node
from ridgeline.spec.faults import Fault, SpecError, pointer


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
