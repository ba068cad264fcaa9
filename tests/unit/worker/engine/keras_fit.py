"""Trains a spec twice, by the engine and by `keras.Model.fit`, and compares."""

import keras
import numpy as np
import pytest

from ridgeline.planning.dataset import dataset_shape
from tests.unit.worker.engine.conftest import Setup
from worker.engine.epoch import Controls
from worker.engine.model import Network
from worker.engine.objective import class_weights
from worker.engine.optimization import finalize
from worker.engine.passes import evaluate_pass, place, train_pass
from worker.engine.seeds import mask_seed, row_order

EPOCHS = 3


def assert_same_as_fit(setup: Setup, epochs: int = EPOCHS) -> None:
    """Losses and metrics of each epoch agree, and in the end all weights and optimizer slots."""
    twin = _keras_twin(setup)
    for number in range(1, epochs + 1):
        ours = _our_epoch(setup, number)
        theirs = _keras_epoch(setup, twin, number)
        assert ours == pytest.approx(theirs, rel=2e-5, abs=1e-6)
    ours_left = setup.network.model.weights + setup.objective.optimizer.variables
    theirs_left = twin.weights + twin.optimizer.variables
    for mine, other in zip(ours_left, theirs_left, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), other.numpy(), rtol=0, atol=1e-6, err_msg=mine.path
        )


def _our_epoch(setup: Setup, number: int) -> dict[str, float]:
    coefficients = setup.objective.penalties.coefficients
    rates = np.array(setup.network.rates, np.float32)
    controls = Controls(coefficients, rates, mask_seed(0, number), np.int32(0))
    batch_size = setup.spec.training.batch_size
    train, validation = (
        place(part, batch_size=batch_size) for part in (setup.data.train, setup.data.validation)
    )
    trained = train_pass(setup.epoch, train, row_order(0, number, train.part.rows), controls)
    values = {"loss": trained.data_loss + float(np.sum(trained.penalties))} | trained.metrics
    validated = evaluate_pass(setup.epoch, validation, coefficients)
    values["val_loss"] = validated.data_loss + float(np.sum(validated.penalties))
    # Each call of `fit` puts the averages in the weights' place when it ends.
    finalize(setup.objective.optimizer, setup.network.model.trainable_variables)
    return values | {f"val_{name}": value for name, value in validated.metrics.items()}


def _keras_twin(setup: Setup) -> keras.Model:
    """The same network as a user of Keras would compile it."""
    other = Network(setup.resolution)
    other.penalize_outputs()
    model = keras.models.clone_model(other.model)
    model.set_weights(setup.network.model.get_weights())
    optimizer = type(setup.objective.optimizer).from_config(setup.objective.optimizer.get_config())
    if setup.spec.training.optimizer.weight_decay_on == "kernels":
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    metrics = [type(m).from_config(m.get_config()) for m in setup.objective.metrics.values()]
    model.compile(optimizer=optimizer, loss=setup.objective.loss, metrics=metrics)
    return model


def _class_weight(setup: Setup) -> dict[int, float] | None:
    training, encoding = setup.spec.training, setup.resolution.encoding
    classes = dataset_shape(setup.spec.dataset).classes
    weights = class_weights(training, encoding, setup.data.train.y, classes)
    return None if weights is None else dict(enumerate(map(float, weights)))


def _keras_epoch(setup: Setup, twin: keras.Model, number: int) -> dict[str, float]:
    order = row_order(0, number, setup.data.train.rows)
    train, validation = setup.data.train, setup.data.validation
    history = twin.fit(
        train.x[order],
        train.y[order],
        batch_size=setup.spec.training.batch_size,
        validation_data=(validation.x, validation.y),
        shuffle=False,
        class_weight=_class_weight(setup),
        verbose=0,
    )
    renamed = {m.name: name for name, m in setup.objective.metrics.items()}
    renamed |= {f"val_{keras_name}": f"val_{name}" for keras_name, name in renamed.items()}
    return {renamed.get(name, name): values[0] for name, values in history.history.items()}
