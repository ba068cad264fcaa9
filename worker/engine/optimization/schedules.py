"""Keras's learning-rate schedules, as a spec says them."""

import keras

from ridgeline.spec.training import Schedule


def build_schedule(schedule: Schedule) -> keras.optimizers.schedules.LearningRateSchedule:
    """The Keras schedule; it counts the optimizer's steps from 0."""
    keras_class = getattr(keras.optimizers.schedules, type(schedule).__name__)
    return keras_class(**schedule.model_dump(exclude={"name"}))
