"""What batch normalization makes of a penalty."""

from collections.abc import Iterator

from ridgeline.planning.advice.base import Case, Finding, rule
from ridgeline.planning.graph import Node
from ridgeline.planning.wiring import consumers
from ridgeline.spec.layers.normalization import BatchNormalization
from ridgeline.spec.regularization.regularizers import WeightPenalty


@rule(
    "l2-before-batch-normalization",
    "info",
    "van Laarhoven, 2017: L2 Regularization versus Batch and Weight Normalization",
)
def l2_before(case: Case) -> Iterator[Finding]:
    """L2 on a kernel whose scale the batch normalization right behind it divides out."""
    taken = consumers([node.layer for node in case.graph.nodes])
    for node, _ in case.posted:
        followers = taken[node.name]
        linear = getattr(node.layer, "activation", "linear") == "linear"
        if not linear or not followers:
            continue
        if not all(isinstance(follower, BatchNormalization) for follower in followers):
            continue
        for penalised in node.layer.penalties():
            penalty = penalised.penalty
            if isinstance(penalty, WeightPenalty) and penalised.role == "kernel" and penalty.l2:
                yield (*case.origin(node, penalised.argument), "l2"), _message(node)


def _message(node: Node) -> str:
    return (
        f"The batch normalization behind {node.name!r} divides the kernel's scale out, so this L2"
        " does not make the network simpler: it raises the effective learning rate. Penalize"
        " layers without one behind them."
    )
