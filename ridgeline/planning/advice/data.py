"""Whether the data are enough, to train and to judge by."""

import math
from collections.abc import Iterator

from ridgeline.planning.advice.base import Case, Finding, dropout_rates, parts, rule
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.augmentation import Augmentation


@rule(
    "no-validation-split",
    "warning",
    "note, Dropout: raise the rate on signs of overfitting",
)
def no_validation(case: Case) -> Iterator[Finding]:
    """No rows held out to see overfitting by."""
    if case.rows.validation == 0:
        yield (
            ("split", "validation"),
            "Without validation rows nothing shows whether the model overfits; hold out 0.2.",
        )


@rule(
    "data-too-small",
    "warning",
    "Zhang et al., 2017: Understanding deep learning requires rethinking generalization, theorem 1",
)
def too_small(case: Case) -> Iterator[Finding]:
    """Parameters enough to learn the rows by heart, and nothing against it.

    That takes 2n + d for any labels of n rows of d features.
    """
    rows, features = case.rows.train, math.prod(case.graph.input_shape)
    trainable = case.graph.parameters.trainable
    enough = 2 * rows + features
    if trainable <= enough or _regularized(case):
        return
    message = (
        f"{trainable:,} trainable parameters for {rows:,} training rows, {trainable / rows:.3g} a"
        f" row. With 2·rows + features = {enough:,} a network can learn any labels by heart, and"
        " nothing regularizes this one; start with dropout of 0.3 and L2, take more rows, or make"
        " the network smaller."
    )
    yield ("dataset", "rows"), message


def _regularized(case: Case) -> bool:
    training = case.spec.training
    return (
        bool(case.penalties)
        or any(_regularizes(node.layer) for node in case.graph.nodes)
        or bool(training.optimizer.weight_decay)
        or bool(getattr(training.loss, "label_smoothing", 0.0))
        or training.early_stopping is not None
    )


def _regularizes(layer: Layer) -> bool:
    """Whether a layer drops, disturbs, augments or constrains."""
    constrained = any(
        getattr(part, argument) is not None
        for part in parts(layer)
        for argument in part.constraints
    )
    disturbs = getattr(layer, "stddev", 0.0) > 0 or isinstance(layer, Augmentation)
    return constrained or disturbs or any(rate > 0 for rate in dropout_rates(layer))
