"""The model as it is published."""

import keras

from ridgeline.planning.wiring import FEATURE_SCALING, INPUT
from worker.engine.data import Data
from worker.engine.model import Network
from worker.engine.objective import Objective


def complete_model(network: Network, objective: Objective, data: Data) -> keras.Model:
    """The network behind its scaling, compiled: plain Keras evaluates it and trains on.

    Layers that are there in training only are left out, so that nothing needs our code.
    """
    scaling = None
    if not data.scaling.identity:
        scaling = keras.layers.Normalization(
            mean=data.scaling.mean, variance=data.scaling.variance, name=FEATURE_SCALING
        )
    network.penalize_outputs()
    model = network.keras_model(keras.Input(network.graph.input_shape, name=INPUT), scaling)
    model.compile(
        optimizer=objective.optimizer, loss=objective.loss, metrics=list(objective.metrics.values())
    )
    return model
