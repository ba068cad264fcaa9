"""Whether a loss can be minimized by what the output can give, on the targets that there are.

A misfit is fatal if nothing useful can be learned; otherwise training is merely worse for it.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from ridgeline.planning.graph import Graph
from ridgeline.planning.output_range import Range, is_constant, output_activation, output_range
from ridgeline.spec.training import Loss

TargetEncoding = Literal["index", "one_hot", "binary", "value"]
"""`index`: the class number; `one_hot`: one column per class; `binary`: one column of 0 and 1;
`value`: one column of real values."""

_HINGES = frozenset({"hinge", "squared_hinge"})
_TRUE_CLASS_ONLY = frozenset({"kl_divergence", "categorical_generalized_cross_entropy"})
"""Losses of probabilities that read only the true class's, and do not normalize them."""
_SUM_TO_ONE = frozenset({"softmax", "sparsemax"})
_EXACT_ZEROS = frozenset({"relu", "relu6", "sparse_plus"})
_MARGIN = 1.0


class Misfit(NamedTuple):
    """A loss that does not fit the output or the targets."""

    about: Literal["activation", "target"]
    fatal: bool
    message: str


class Fit(NamedTuple):
    """A loss, and what is known of its targets and of the output."""

    loss: Loss
    encoding: TargetEncoding
    targets: Range | None
    """Of real values; None if it is unknown."""
    activation: str | None
    output: Range | None

    @property
    def named(self) -> str:
        """The activation for a message."""
        return f'the activation "{self.activation}" of the output'


def misfits(
    loss: Loss, encoding: TargetEncoding, graph: Graph, targets: Range | None
) -> Iterator[Misfit]:
    """What is wrong between loss, output and targets; the fatal ones first."""
    fit = Fit(loss, encoding, targets, output_activation(graph), output_range(graph))
    found = [*_constant(fit, graph), *_of_targets(fit), *_of_output(fit)]
    yield from sorted(found, key=lambda misfit: not misfit.fatal)


def _constant(fit: Fit, graph: Graph) -> Iterator[Misfit]:
    if is_constant(graph):
        value = 0 if fit.activation == "log_softmax" else 1
        instead = "linear" if fit.encoding == "value" or fit.loss.name in _HINGES else "sigmoid"
        message = f'expected "{instead}": {fit.activation} over one unit is always {value}'
        yield Misfit("activation", True, message)


def _of_targets(fit: Fit) -> Iterator[Misfit]:
    """Losses that are for certain targets only."""
    low, high = (0.0, 1.0) if fit.encoding != "value" else (fit.targets or (None, None))
    if low is None or high is None:
        return
    name, spread = fit.loss.name, f"the targets are {low:g} to {high:g}"
    if name == "poisson" and low < 0:
        message = (
            f"{name} expects counts, 0 or more, but {spread}: for one below 0 it has no minimum;"
            " use mean_squared_error"
        )
        yield Misfit("target", True, message)
    if name == "mean_squared_logarithmic_error" and low < 0:
        message = (
            f"{name} expects targets of 0 or more, but {spread}: it reads any below 0 as 0; use"
            " mean_squared_error"
        )
        yield Misfit("target", high <= 0, message)
    if name == "mean_absolute_percentage_error" and low <= 0 <= high:
        message = (
            f"{name} divides by the target, but {spread}: a target of 0, read as 1e-7, outweighs"
            " all others; use mean_absolute_error"
        )
        yield Misfit("target", False, message)


def _of_output(fit: Fit) -> Iterator[Misfit]:
    if fit.output is None:
        return
    name = fit.loss.name
    if name in _HINGES or fit.loss.from_logits:
        yield from _of_margins(fit, fit.output)
    elif name == "categorical_hinge":
        yield from _of_differences(fit, fit.output)
    elif name in _TRUE_CLASS_ONLY:
        yield from _of_probabilities(fit)
    else:
        yield from _of_logarithms(fit, fit.output)
        yield from _of_range(fit, fit.output)


def _of_margins(fit: Fit, output: Range) -> Iterator[Misfit]:
    """Losses whose sign is the class: hinges, and crossentropies from logits."""
    logits = fit.loss.from_logits
    if logits and fit.activation == "log_softmax":
        return  # the softmax of it is the softmax of what it was made from
    least = math.inf if logits else _MARGIN
    if output.low <= -least and output.high >= least:
        return
    one_sided = output.low >= 0 or output.high <= 0
    fatal = one_sided and fit.encoding == "binary"
    instead = '"linear"' if logits else '"linear" or "tanh"'
    consequence = ", so that every row gets the same class" if fatal else ""
    message = (
        f"{fit.loss.name} expects {'logits' if logits else 'margins'} of either sign, but"
        f" {fit.named} is limited to {_spoken(output)}{consequence}; use {instead}"
    )
    yield Misfit("activation", fatal, message)


def _of_differences(fit: Fit, output: Range) -> Iterator[Misfit]:
    if output.high - max(output.low, 0) <= _MARGIN:
        message = (
            f"{fit.loss.name} asks the true class's output to exceed all others by 1, but"
            f" {fit.named} is limited to {_spoken(output)}, so that its gradient vanishes on the"
            ' way; use "linear"'
        )
        yield Misfit("activation", False, message)


def _of_probabilities(fit: Fit) -> Iterator[Misfit]:
    if fit.activation not in _SUM_TO_ONE:
        message = (
            f"{fit.loss.name} expects probabilities that sum to 1: it reads only the true class's,"
            f' and {fit.named} does not make one fall as another rises; use "softmax"'
        )
        yield Misfit("activation", True, message)


def _of_logarithms(fit: Fit, output: Range) -> Iterator[Misfit]:
    """Losses of the output's logarithm, which is NaN below 0 or, in msle, flat."""
    name = fit.loss.name
    if name == "poisson" and output.low < 0:
        message = (
            f"{name} takes the output's logarithm, but {fit.named} may be below 0, where it is NaN;"
            ' use "exponential" or "softplus"'
        )
        yield Misfit("activation", True, message)
    elif name == "poisson" and fit.activation in _EXACT_ZEROS:
        message = (
            f"{name} takes the output's logarithm, but {fit.named} may be exactly 0, where it"
            ' learns nothing; use "exponential" or "softplus"'
        )
        yield Misfit("activation", False, message)
    if name == "mean_squared_logarithmic_error" and output.low < 0:
        message = (
            f"{name} reads outputs below 0 as 0, where its gradient is 0, and {fit.named} may be"
            ' below 0; use "softplus" or "relu"'
        )
        yield Misfit("activation", output.high <= 0, message)


def _of_range(fit: Fit, output: Range) -> Iterator[Misfit]:
    """Losses of the distance to the target, if the output cannot get there."""
    if fit.loss.reads != "any":
        return
    targets = Range(0, 1) if fit.encoding != "value" else fit.targets
    if targets is None or (output.low <= targets.low and targets.high <= output.high):
        return
    never = output.high <= targets.low or output.low >= targets.high
    remedy = 'use "linear"'
    if fit.encoding == "value":
        remedy += ", or scale the target into that range"
    message = (
        f"{fit.loss.name} asks for the targets, {targets.low:g} to {targets.high:g}, but"
        f" {fit.named} is limited to {_spoken(output)}; {remedy}"
    )
    # Of several columns the largest is the class, whatever they are.
    yield Misfit("activation", never and fit.encoding != "one_hot", message)


def _spoken(output: Range) -> str:
    if output.high == math.inf:
        return f"{output.low:g} and above"
    if output.low == -math.inf:
        return f"{output.high:g} and below"
    return f"{output.low:g} to {output.high:g}"
