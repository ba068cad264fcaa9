"""The note's rules as checks on a spec. Advice never rejects."""

from collections.abc import Iterator, Mapping
from typing import Literal

from ridgeline.contract.graph import Graph, Node
from ridgeline.contract.layers import Layer
from ridgeline.contract.masks import lost_masks
from ridgeline.contract.problems import pointer
from ridgeline.contract.regularizers import WeightPenalty
from ridgeline.contract.schema import Contract
from ridgeline.contract.spec import JobSpec

USUAL_RATES = (0.3, 0.5)


class Advice(Contract):
    """One remark on a spec."""

    id: str
    severity: Literal["info", "warning"]
    pointer: str
    """JSON pointer into the spec as it was posted."""
    message: str
    source: str
    """Where the rule comes from."""


def advise(spec: JobSpec, graph: Graph, position: Mapping[str, int]) -> tuple[Advice, ...]:
    """All remarks on `spec`; `graph` is resolved, `position` gives each posted layer's place."""
    remarks = [
        *_dropout_layers(graph, position),
        *_policy(spec),
        *_both_techniques(graph),
        *_lost_masks(graph, position),
    ]
    if spec.split.validation == 0:
        remarks.append(
            Advice(
                id="no-validation-split",
                severity="warning",
                pointer=pointer("split", "validation"),
                message="Without validation rows nothing shows whether the model overfits;"
                " hold out 0.2.",
                source="note, Dropout: raise the rate on signs of overfitting",
            )
        )
    return tuple(remarks)


def _dropout_layers(graph: Graph, position: Mapping[str, int]) -> Iterator[Advice]:
    """Remarks on dropout layers the user wrote; the policy has its own."""
    by_name = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        if not node.layer.drops or node.name not in position:
            continue
        at = pointer("model", "layers", position[node.name])
        if node.layer.type_name() == "Dropout":
            yield from _rate(node.layer, f"{at}/rate")
            yield from _after_convolution(node, by_name, at)
        if node is graph.output:
            yield Advice(
                id="dropout-on-output",
                severity="warning",
                pointer=at,
                message="Dropout on the output drops predictions themselves; put it before the last"
                " layer.",
                source="note, Dropout: used after hidden layers in every example",
            )


def _rate(holder: object, at: str) -> Iterator[Advice]:
    rate: float = getattr(holder, "rate", 0.0)
    low, high = USUAL_RATES
    if not low <= rate <= high:
        yield Advice(
            id="dropout-rate-range",
            severity="info",
            pointer=at,
            message=f"A dropout rate is typically {low} to {high}, this is {rate:g}; start with"
            f" {low} and raise it on signs of overfitting.",
            source="note, Dropout",
        )


def _after_convolution(node: Node, by_name: Mapping[str, Node], at: str) -> Iterator[Advice]:
    source = by_name.get((node.layer.inputs or ("",))[0])
    while source is not None and source.layer.follows and source.layer.arity == (1, 1):
        source = by_name.get((source.layer.inputs or ("",))[0])
    if source is not None and source.layer.family() == "conv":
        yield _convolution_remark(at)


def _policy(spec: JobSpec) -> Iterator[Advice]:
    dropout = spec.regularization.dropout
    if dropout is None:
        return
    at = pointer("regularization", "dropout")
    yield from _rate(dropout, f"{at}/rate")
    if "conv" in dropout.after:
        yield _convolution_remark(f"{at}/after")


def _convolution_remark(at: str) -> Advice:
    return Advice(
        id="dropout-after-convolution",
        severity="warning",
        pointer=at,
        message="Dropout right after a convolution may lose important features; put it after the"
        " pooling or after dense layers, or use SpatialDropout2D.",
        source="note, Dropout",
    )


def _both_techniques(graph: Graph) -> Iterator[Advice]:
    layers = [node.layer for node in graph.nodes]
    drops = any(getattr(layer, "rate", 0) > 0 for layer in layers if layer.drops)
    penalised = any(_l2(layer) for layer in layers)
    if drops != penalised:
        used, missing = ("dropout", "L2") if drops else ("L2", "dropout")
        yield Advice(
            id="one-technique-only",
            severity="info",
            pointer=pointer("regularization"),
            message=f"Only {used} is used; using {missing} as well is recommended.",
            source="note, last remark: use both types of regularization",
        )


def _lost_masks(graph: Graph, position: Mapping[str, int]) -> Iterator[Advice]:
    for node in lost_masks(graph):
        yield Advice(
            id="mask-lost",
            severity="warning",
            pointer=pointer("model", "layers", position[node.name]),
            message=f"{node.layer.type_name()} takes no mask: from here on padding counts like any"
            " token. A recurrent layer, attention or GlobalAveragePooling1D passes over it.",
            source="Keras guide, Understanding masking & padding",
        )


def _l2(layer: Layer) -> bool:
    return any(
        isinstance(penalised.penalty, WeightPenalty) and penalised.penalty.l2 > 0
        for penalised in layer.penalties()
    )
