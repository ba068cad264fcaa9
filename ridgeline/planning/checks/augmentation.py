"""Whether augmentation stands where it can act, and the targets can be mixed with the images."""

from collections.abc import Iterator, Mapping

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.targets import TargetEncoding
from ridgeline.planning.wiring import INPUT, consumers
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.layers.augmentation import Augmentation


def check_augmentation(graph: Graph, encoding: TargetEncoding, position: Mapping[str, int]) -> None:
    """Raise SpecError for an augmentation that does not act on the data.

    It must stand before every layer with weights. A layer that mixes labels must be the one way
    that the data takes, and needs targets that can be mixed. `position` gives each layer's place
    in the spec.
    """
    faults = [*_behind_weights(graph, position), *_mixed(graph, encoding, position)]
    if faults:
        raise SpecError(faults)


def _behind_weights(graph: Graph, position: Mapping[str, int]) -> Iterator[Fault]:
    learned: set[str] = set()
    for node in graph.nodes:
        behind = learned.intersection(node.layer.inputs or ())
        if behind and isinstance(node.layer, Augmentation):
            detail = (
                f"{node.layer.type_name()} augments the data; expected it before every layer with"
                f" weights, received it behind {min(behind)!r}"
            )
            yield Fault(pointer=_at(node, position), detail=detail, rule="augments-data")
        if behind or node.weights:
            learned.add(node.name)


def _mixed(graph: Graph, encoding: TargetEncoding, position: Mapping[str, int]) -> Iterator[Fault]:
    for node in graph.nodes:
        if not node.layer.mixes_labels:
            continue
        at, kind = _at(node, position), node.layer.type_name()
        if encoding != "one_hot":
            detail = (
                f"{kind} mixes targets, and expects them one-hot; use categorical_crossentropy over"
                " one unit a class"
            )
            yield Fault(pointer=at, detail=detail, rule="mixes-one-hot")
        if not _only_way(node, graph):
            detail = (
                f"{kind} mixes rows with their targets; expected it alone on the data, behind"
                " nothing but augmentation and rescaling"
            )
            yield Fault(pointer=at, detail=detail, rule="mixes-data")


def _only_way(node: Node, graph: Graph) -> bool:
    """Whether all data passes through `node`, and through nothing else before it but changes of it.

    A row that went around it would be trained on with another one's target.
    """
    nodes = {each.name: each for each in graph.nodes}
    taken = consumers([each.layer for each in graph.nodes])
    while True:
        (source,) = node.layer.inputs or (INPUT,)
        if len(taken[source]) > 1:
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
