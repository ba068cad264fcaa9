"""Advice on penalties and constraints: strength, zeros, axes, batch normalization."""

import math
from collections.abc import Callable, Iterator, Mapping

from ridgeline.planning.advice.base import Case, Finding, PenalizedWeight, rule
from ridgeline.planning.graph import Node
from ridgeline.planning.posted import Path
from ridgeline.planning.wiring import consumers
from ridgeline.spec.layers import Layer, Shape, Weight
from ridgeline.spec.layers.normalization import BatchNormalization
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.regularization.constraints import AnyConstraint, NonNeg
from ridgeline.spec.regularization.regularizers import AppliedPenalty, WeightPenalty

_PLAIN = ("sgd",)
"""Optimizers whose step is the gradient times the learning rate."""
_MATRIX = 2


@rule(
    "penalty-erases-weights",
    "warning",
    "note, Remark: reducing the weights leads to a simpler neural network",
)
def erases(case: Case) -> Iterator[Finding]:
    """One step of the penalty, η·(its gradient), is as large as the weight."""
    rate = case.spec.training.optimizer.initial_learning_rate
    for weight in case.penalized_weights:
        message = _erasure(weight, rate)
        if message is not None:
            yield weight.at, message + _by_optimizer(case)
    decay = case.spec.training.optimizer.weight_decay
    if decay and rate * decay >= 1:
        message = (
            f"η·weight_decay = {rate:g}·{decay:g} = {rate * decay:.3g}: at 1 or more, a step erases"
            " every decaying weight or flips its sign; use a smaller weight_decay or learning rate."
        )
        yield ("training", "optimizer", "weight_decay"), message


def _erasure(weight: PenalizedWeight, rate: float) -> str | None:
    match weight.penalty.kind:
        case "l1":
            return _l1_erases(weight, rate)
        case "l2":
            return _l2_erases(weight.penalty, rate)
        case _:
            return None


def _l2_erases(penalty: AppliedPenalty, rate: float) -> str | None:
    share = rate * 2 * penalty.coefficient
    if share < 1:
        return None
    formula = f"η·2c = {rate:g}·2·{penalty.coefficient:g}"
    textbook = penalty.coefficient != penalty.strength
    lead = f"η·λ/n = {formula}" if textbook else formula
    return (
        f"{lead} = {share:.3g}: a step removes that fraction of each weight, and at 1 or more it"
        " erases the weight or flips its sign; use a smaller λ or learning rate."
    )


def _l1_erases(weight: PenalizedWeight, rate: float) -> str | None:
    coefficient = weight.penalty.coefficient
    step, scale = rate * coefficient, _initial_scale(weight)
    if scale is None or step < scale:
        return None
    return (
        f"η·c = {rate:g}·{coefficient:g} = {step:.3g}: every step subtracts that much from each"
        f" weight, but weights are initialized with a standard deviation of {scale:.3g}; use a"
        " smaller λ or learning rate."
    )


def _by_optimizer(case: Case) -> str:
    name = case.spec.training.optimizer.name
    if name in _PLAIN:
        return ""
    return (
        f" {name} rescales gradients, so its steps have another length, but the penalty outweighs"
        " the data in every one."
    )


def _initial_scale(weight: PenalizedWeight) -> float | None:
    """The standard deviation of the weight's initializer; None if it is a constant."""
    layer: object = weight.node.layer
    for name in weight.penalized.argument[:-1]:
        layer = getattr(layer, name)
    argument = weight.penalized.argument[-1].replace("_regularizer", "_initializer")
    initializer = getattr(layer, argument, "zeros")
    scale = _SCALES.get(initializer)
    return None if scale is None else scale(*_fans(weight.weight.shape))


def _fans(shape: Shape) -> tuple[int, int]:
    """Keras's fan-in and fan-out: inputs of a unit, and units that an input goes to."""
    if len(shape) < _MATRIX:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _glorot(fan_in: int, fan_out: int) -> float:
    return math.sqrt(2 / (fan_in + fan_out))


def _he(fan_in: int, _: int) -> float:
    return math.sqrt(2 / fan_in)


def _lecun(fan_in: int, _: int) -> float:
    return math.sqrt(1 / fan_in)


#: Standard deviations of Keras's initializers with their default arguments.
_SCALES: Mapping[str, Callable[[int, int], float]] = {
    "glorot_uniform": _glorot,
    "glorot_normal": _glorot,
    "he_uniform": _he,
    "he_normal": _he,
    "lecun_uniform": _lecun,
    "lecun_normal": _lecun,
    "random_uniform": lambda *_: 0.05 / math.sqrt(3),
    "random_normal": lambda *_: 0.05,
    "truncated_normal": lambda *_: 0.044,  # 0.05, truncated at two standard deviations
    "orthogonal": lambda fan_in, fan_out: math.sqrt(1 / max(fan_in, fan_out)),
}


@rule(
    "l1-without-zeros",
    "info",
    "note, 1. Weight Regularization: weights decay towards zero, but not exactly zero;"
    " Tibshirani, 1996; Daubechies et al., 2004 (soft threshold)",
)
def no_zeros(case: Case) -> Iterator[Finding]:
    """L1 by its subgradient, which gives no exact zeros."""
    for weight in case.penalized_weights:
        penalty = weight.penalized.penalty
        if weight.penalty.kind != "l1" or not isinstance(penalty, WeightPenalty):
            continue
        if penalty.l1_mode == "penalty":
            message = (
                "As a penalty, L1 makes weights small, but none exactly zero; for sparse weights"
                ' set l1_mode to "proximal".'
            )
            yield weight.at, message


@rule(
    "max-norm-axis",
    "warning",
    "Keras, MaxNorm: for a Conv2D's kernel use axis [0, 1, 2]",
)
def max_norm_axis(case: Case) -> Iterator[Finding]:
    """A norm over axis 0 of a convolution's kernel, which covers only a line of its window."""
    for node, _ in case.posted:
        yield from _misplaced(node.layer, node, case, ())


def _misplaced(layer: Layer, node: Node, case: Case, inside: Path) -> Iterator[Finding]:
    for argument, (role, _) in layer.constraints.items():
        constraint: AnyConstraint | None = getattr(layer, argument)
        if constraint is None or isinstance(constraint, NonNeg):
            continue
        for weight in node.weights:
            axes = weight.fan_in_axes
            window = len(weight.shape) > _MATRIX and len(axes) > 1
            if weight.role == role and window and constraint.axis in (0, (0,)):
                at = (*case.origin(node, (*inside, argument)), "axis")
                yield at, _axis_message(constraint.type, weight, axes)
    if isinstance(layer, Wrapper):
        yield from _misplaced(layer.layer, node, case, (*inside, "layer"))


def _axis_message(kind: str, weight: Weight, axes: tuple[int, ...]) -> str:
    return (
        f"{kind} with axis 0 takes norms of single lines of a window; for norms over all inputs of"
        f" a unit of this {weight.role} use axis {list(axes)}."
    )


@rule(
    "l2-before-batch-normalization",
    "info",
    "van Laarhoven, 2017: L2 Regularization versus Batch and Weight Normalization",
)
def l2_before(case: Case) -> Iterator[Finding]:
    """L2 on a kernel whose scale a batch normalization right after it divides out."""
    readers = consumers([node.layer for node in case.graph.nodes])
    for node, _ in case.posted:
        followers = readers[node.name]
        linear = getattr(node.layer, "activation", "linear") == "linear"
        if not linear or not followers:
            continue
        if not all(isinstance(follower, BatchNormalization) for follower in followers):
            continue
        for penalized in node.layer.penalties():
            penalty = penalized.penalty
            if isinstance(penalty, WeightPenalty) and penalized.role == "kernel" and penalty.l2:
                yield (*case.origin(node, penalized.argument), "l2"), _penalty_message(node)


def _penalty_message(node: Node) -> str:
    return (
        f"The batch normalization after {node.name!r} divides the kernel's scale out, so this L2"
        " does not make the network simpler; it raises the effective learning rate. Penalize layers"
        " that no batch normalization follows."
    )
