"""Builds the Keras optimizer and the learning-rate schedule of a spec."""

from collections.abc import Sequence

import keras

from ridgeline.spec.training import Schedule, Training
from worker.engine.regularization.weight_decay import spared

_OURS = {"name", "learning_rate", "weight_decay_on"}


def build_optimizer(training: Training, variables: Sequence[keras.Variable]) -> keras.Optimizer:
    """The optimizer, built for `variables`.

    In mixed_float16 Keras's LossScaleOptimizer wraps it: its `scale_loss` scales the loss, and a
    step whose gradients overflow is skipped and halves the scale.
    """
    settings = training.optimizer
    rate = settings.learning_rate
    keras_class = getattr(keras.optimizers, type(settings).__name__)
    optimizer: keras.Optimizer = keras_class(
        learning_rate=build_schedule(rate) if isinstance(rate, Schedule) else rate,
        **settings.model_dump(exclude=_OURS),
    )
    optimizer.exclude_from_weight_decay(var_list=spared(variables, settings.weight_decay_on))
    if training.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def build_schedule(schedule: Schedule) -> keras.optimizers.schedules.LearningRateSchedule:
    """The Keras schedule; it counts the optimizer's steps from 0."""
    keras_class = getattr(keras.optimizers.schedules, type(schedule).__name__)
    return keras_class(**schedule.model_dump(exclude={"name"}))
