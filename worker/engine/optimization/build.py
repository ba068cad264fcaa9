"""Builds the Keras optimizer a spec names."""

from collections.abc import Sequence

import keras

from ridgeline.spec.training import Schedule, Training
from worker.engine.optimization.schedules import build_schedule
from worker.engine.regularization.weight_decay import spared

_OURS = {"name", "learning_rate", "weight_decay_on"}


def build_optimizer(training: Training, variables: Sequence[keras.Variable]) -> keras.Optimizer:
    """The optimizer, built for `variables`.

    In mixed_float16 it is Keras's LossScaleOptimizer around it: scale the loss by its
    `scale_loss`; a step whose gradients overflow is left out and halves the scale.
    """
    said = training.optimizer
    rate = said.learning_rate
    keras_class = getattr(keras.optimizers, type(said).__name__)
    optimizer: keras.Optimizer = keras_class(
        learning_rate=build_schedule(rate) if isinstance(rate, Schedule) else rate,
        **said.model_dump(exclude=_OURS),
    )
    optimizer.exclude_from_weight_decay(var_list=spared(variables, said.weight_decay_on))
    if training.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer
