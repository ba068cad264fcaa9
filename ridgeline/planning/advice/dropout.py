"""Advice on dropout: where and how much."""

from collections.abc import Iterator

from ridgeline.planning.advice.base import Case, Finding, drops, rule
from ridgeline.planning.graph import Node
from ridgeline.planning.posted import Path
from ridgeline.spec.layers.normalization import BatchNormalization

USUAL_RATES = (0.3, 0.5)
_POLICY: Path = ("regularization", "dropout")


@rule("dropout-rate-range", "info", "note, Dropout")
def rate_range(case: Case) -> Iterator[Finding]:
    """A rate outside 0.3 to 0.5."""
    for node, at in case.posted:
        if node.layer.type_name() == "Dropout":
            yield from _rate(node.layer, (*at, "rate"))
    if case.spec.regularization.dropout is not None:
        yield from _rate(case.spec.regularization.dropout, (*_POLICY, "rate"))


def _rate(holder: object, at: Path) -> Iterator[Finding]:
    rate: float = getattr(holder, "rate", 0.0)
    low, high = USUAL_RATES
    if not low <= rate <= high:
        message = (
            f"Typical dropout rates are {low} to {high}, this one is {rate:g}; start with {low} and"
            " raise it if the model overfits."
        )
        yield at, message


@rule("dropout-after-convolution", "warning", "note, Dropout")
def after_convolution(case: Case) -> Iterator[Finding]:
    """Dropout of single units right after a convolution."""
    message = (
        "Dropout right after a convolution may lose important features; put it after pooling or"
        " dense layers, or use SpatialDropout2D."
    )
    for node, at in case.posted:
        if node.layer.type_name() == "Dropout" and _follows_convolution(node, case):
            yield at, message
    for node in case.graph.nodes:
        if node.name not in case.position and _follows_convolution(node, case):
            yield (*_POLICY, "after"), message


def _follows_convolution(node: Node, case: Case) -> bool:
    source = _source(node, case)
    while source is not None and source.layer.follows and source.layer.arity == (1, 1):
        source = _source(source, case)
    return source is not None and source.layer.family() == "conv"


def _source(node: Node, case: Case) -> Node | None:
    return case.nodes.get((node.layer.inputs or ("",))[0])


@rule("dropout-on-output", "warning", "note, Dropout: used after hidden layers in every example")
def on_output(case: Case) -> Iterator[Finding]:
    """Dropout as the last layer."""
    for node, at in case.posted:
        if node.layer.drops and node is case.graph.output:
            yield (
                at,
                "Dropout on the output drops predictions; put it before the last layer.",
            )


@rule(
    "dropout-before-batch-normalization",
    "info",
    "Li et al., 2019: Understanding the Disharmony between Dropout and Batch Normalization by"
    " Variance Shift",
)
def before_batch_normalization(case: Case) -> Iterator[Finding]:
    """Dropout before a batch normalization, directly or with other layers in between."""
    dropouts: dict[str, frozenset[str]] = {}
    for node in case.graph.nodes:
        before = frozenset[str]().union(
            *(dropouts.get(name, frozenset()) for name in node.layer.inputs or ())
        )
        if isinstance(node.layer, BatchNormalization):
            for name in sorted(before):
                yield case.path_to(case.nodes[name]), _shift(node)
            before = frozenset()  # the normalization sets the variance of later layers
        dropouts[node.name] = before | {node.name} if drops(node) else before


def _shift(node: Node) -> str:
    return (
        f"The batch normalization {node.name!r} after this dropout learns a variance in training"
        " that differs from prediction, where nothing is dropped; put dropout after the last batch"
        " normalization."
    )
