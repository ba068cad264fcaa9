"""Builds the Keras optimizer a spec names.

Keras's learning-rate schedules, as a spec says them.
"""

from collections.abc import Sequence

import keras

from ridgeline.spec.training import Schedule, Training
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


def build_schedule(schedule: Schedule) -> keras.optimizers.schedules.LearningRateSchedule:
    """The Keras schedule; it counts the optimizer's steps from 0."""
    keras_class = getattr(keras.optimizers.schedules, type(schedule).__name__)
    return keras_class(**schedule.model_dump(exclude={"name"}))
