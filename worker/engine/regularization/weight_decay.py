"""Decoupled weight decay of kernels; other variables are spared."""

from collections.abc import Sequence
from typing import Literal

import keras
import tensorflow as tf

from ridgeline.spec.training import KERNELS


def spared(
    variables: Sequence[keras.Variable], decayed: Literal["kernels", "all"]
) -> list[keras.Variable]:
    """The variables that weight decay spares.

    With `kernels` all but kernels and embeddings: biases, gamma and beta are not what makes a
    network complex. With `all`, Keras's way, none.
    """
    if decayed == "all":
        return []
    return [variable for variable in variables if variable.name not in KERNELS]


def decay(optimizer: keras.Optimizer, variables: Sequence[keras.Variable], rate: tf.Tensor) -> None:
    """Decay before the step: w ← w − η·weight_decay·w, η the step's learning rate.

    Loshchilov & Hutter, 2019.
    """
    if isinstance(optimizer, keras.optimizers.Muon):
        # It has a decay for its matrices and another for the rest.
        optimizer._apply_weight_decay(variables)  # noqa: SLF001
        return
    if not optimizer.weight_decay:
        return
    share = optimizer.weight_decay * rate
    for variable in variables:
        if optimizer._use_weight_decay(variable.value):  # noqa: SLF001
            # In one pass: variable − share·variable.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.value.handle, alpha=share, delta=variable.value
            )
