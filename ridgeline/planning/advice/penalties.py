"""How strong penalties are for the learning rate, and what they cannot do.

Constraints on norms that are taken over the wrong axes.

What batch normalization makes of a penalty.
"""

import math
from collections.abc import Callable, Iterator, Mapping

from ridgeline.planning.advice.base import Case, Finding, Put, rule
from ridgeline.planning.graph import Node
from ridgeline.planning.posted import Path
from ridgeline.planning.wiring import consumers
from ridgeline.spec.layers import Layer, Shape, Weight
from ridgeline.spec.layers.normalization import BatchNormalization
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.regularization.constraints import AnyConstraint, NonNeg
from ridgeline.spec.regularization.regularizers import WeightPenalty

_PLAIN = ("sgd",)
"""Optimizers whose step is the gradient times the learning rate."""


_MATRIX = 2


@rule(
    "penalty-erases-weights",
    "warning",
    "note, Remark: reducing the weights leads to a simpler neural network",
)
def erases(case: Case) -> Iterator[Finding]:
    """η·(the penalty's gradient) as large as the weight itself."""
    rate = case.spec.training.optimizer.initial_learning_rate
    for put in case.puts:
        if put.part.kind == "l2":
            found = _l2_erases(put, rate)
        else:
            found = _l1_erases(put, rate) if put.part.kind == "l1" else None
        if found is not None:
            yield put.at, found + _by_optimizer(case)
    decay = case.spec.training.optimizer.weight_decay
    if decay and rate * decay >= 1:
        message = (
            f"η·weight_decay = {rate:g}·{decay:g} = {rate * decay:.3g}: from 1 on a step erases"
            " every weight that decays, or turns its sign."
        )
        yield ("training", "optimizer", "weight_decay"), message


def _l2_erases(put: Put, rate: float) -> str | None:
    share = rate * 2 * put.part.coefficient
    if share < 1:
        return None
    formula = f"η·2c = {rate:g}·2·{put.part.coefficient:g}"
    textbook = put.part.coefficient != put.part.strength
    lead = f"η·λ/n = {formula}" if textbook else formula
    return (
        f"{lead} = {share:.3g}: a step takes that share of each weight away, and from 1 on it"
        " erases the weight or turns its sign; use a smaller λ or learning rate."
    )


def _l1_erases(put: Put, rate: float) -> str | None:
    step = rate * put.part.coefficient
    scale = _initial_scale(put)
    if scale is None or step < scale:
        return None
    return (
        f"η·c = {rate:g}·{put.part.coefficient:g} = {step:.3g}: every step takes that much off"
        f" each weight, and they begin with a standard deviation of {scale:.3g}; use a smaller λ or"
        " learning rate."
    )


def _by_optimizer(case: Case) -> str:
    name = case.spec.training.optimizer.name
    if name in _PLAIN:
        return ""
    return (
        f" {name} rescales gradients, so its steps are not of that length; but in every one of"
        " them the penalty outweighs the data."
    )


@rule(
    "l1-without-zeros",
    "info",
    "note, 1. Weight Regularization: weights decay towards zero, but not exactly zero;"
    " Tibshirani, 1996; Daubechies et al., 2004 (soft threshold)",
)
def no_zeros(case: Case) -> Iterator[Finding]:
    """L1 by its subgradient, which no weight is exactly zero by."""
    for put in case.puts:
        penalty = put.penalised.penalty
        if put.part.kind != "l1" or not isinstance(penalty, WeightPenalty):
            continue
        if penalty.l1_mode == "penalty":
            message = (
                "As a penalty L1 makes weights small, but none exactly zero; if sparse weights are"
                ' meant, set l1_mode to "proximal".'
            )
            yield put.at, message


def _initial_scale(put: Put) -> float | None:
    """The standard deviation that the weight begins with; None where it begins with a constant."""
    holder: object = put.node.layer
    for name in put.penalised.argument[:-1]:
        holder = getattr(holder, name)
    argument = put.penalised.argument[-1].replace("_regularizer", "_initializer")
    initializer = getattr(holder, argument, "zeros")
    scale = _SCALES.get(initializer)
    return None if scale is None else scale(*_fans(put.weight.shape))


def _fans(shape: Shape) -> tuple[int, int]:
    """Keras's fan-in and fan-out: numbers that come into a unit, and that one goes to."""
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


#: Of Keras's initializers with their defaults.
_SCALES: Mapping[str, Callable[[int, int], float]] = {
    "glorot_uniform": _glorot,
    "glorot_normal": _glorot,
    "he_uniform": _he,
    "he_normal": _he,
    "lecun_uniform": _lecun,
    "lecun_normal": _lecun,
    "random_uniform": lambda *_: 0.05 / math.sqrt(3),
    "random_normal": lambda *_: 0.05,
    "truncated_normal": lambda *_: 0.044,  # 0.05, less what is cut off beyond two deviations
    "orthogonal": lambda fan_in, fan_out: math.sqrt(1 / max(fan_in, fan_out)),
}


@rule(
    "max-norm-axis",
    "warning",
    "Keras, MaxNorm: for a Conv2D's kernel use axis [0, 1, 2]",
)
def max_norm_axis(case: Case) -> Iterator[Finding]:
    """A norm over axis 0 of a convolution's kernel, which is one line of its window."""
    for node, _ in case.posted:
        yield from _misplaced(node.layer, node, case, ())


def _misplaced(layer: Layer, node: Node, case: Case, inside: Path) -> Iterator[Finding]:
    for argument, (role, _) in layer.constraints.items():
        constraint: AnyConstraint | None = getattr(layer, argument)
        if constraint is None or isinstance(constraint, NonNeg):
            continue
        for weight in node.weights:
            axes = _input_axes(weight)
            window = len(weight.shape) > _MATRIX and len(axes) > 1
            if weight.role == role and window and constraint.axis in (0, (0,)):
                at = (*case.origin(node, (*inside, argument)), "axis")
                yield at, _axis_message(constraint.type, weight, axes)
    if isinstance(layer, Wrapper):
        yield from _misplaced(layer.layer, node, case, (*inside, "layer"))


def _axis_message(kind: str, weight: Weight, axes: tuple[int, ...]) -> str:
    return (
        f"{kind} with axis 0 takes the norm of single lines of a window; for all that comes into a"
        f" unit of this {weight.role} use axis {list(axes)}."
    )


def _input_axes(weight: Weight) -> tuple[int, ...]:
    return tuple(range(len(weight.shape) - 1)) if weight.input_axes is None else weight.input_axes


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
                yield (*case.origin(node, penalised.argument), "l2"), _penalty_message(node)


def _penalty_message(node: Node) -> str:
    return (
        f"The batch normalization behind {node.name!r} divides the kernel's scale out, so this L2"
        " does not make the network simpler: it raises the effective learning rate. Penalize"
        " layers without one behind them."
    )
