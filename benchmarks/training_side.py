"""One side of bench_train.py, in a process forked by sides.py: it trains an epoch per message.

The rows are random ones of the data set's shapes: an epoch's duration does not depend on their
values.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.job_spec import JobSpec
from worker.engine import devices
from worker.engine.data import Data, Part
from worker.engine.data.prepare import encode
from worker.engine.data.scaling import FeatureScaling
from worker.engine.epoch import CompiledEpoch
from worker.engine.fitting import Fitting
from worker.engine.model import Network
from worker.engine.objective import build_objective
from worker.engine.passes import decoding, row_spec

VALIDATION_SHARE = 0.2
WORDS_SHARE = 0.012
"""The share of the vocabulary in an IMDB review: 120 of 10,000 words."""
PRODUCTS = 9
Epochs = Iterator[float]


def serve(pipe: Connection, json: str, rows: int, side: str) -> None:
    """Send a message when the network is traced, then the seconds of an epoch for each message."""
    spec = JobSpec.model_validate_json(json)
    sides: dict[str, Callable[[Resolution, Data], Epochs]] = {"fit": fit, "ridgeline": ridgeline}
    if side == "ridgeline":
        devices.prepare(spec)
    resolution = resolve(spec, memory_limit=None)
    epochs = sides[side](resolution, random_rows(resolution, rows))
    pipe.send(next(epochs))  # traces the network
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        pipe.send(next(epochs))


def product(pipe: Connection, rows: int) -> None:
    """Send the seconds of a product of two square float32 matrices."""
    matrix = tf.random.normal([rows, rows])
    multiply = tf.function(lambda x: tf.matmul(x, x))
    multiply(matrix)
    seconds = []
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        multiply(matrix).numpy()
        seconds.append(time.perf_counter() - began)
    pipe.send(statistics.median(seconds))


def random_rows(resolution: Resolution, rows: int) -> Data:
    """Rows of the data set's shape, of the type that the engine holds them in."""
    rng = np.random.default_rng(0)
    shape = dataset_shape(resolution.spec.dataset)
    size = (rows, *shape.features)
    everything: npt.NDArray[Any] = rng.standard_normal(size, np.float32)
    if shape.bytes_per_number == 1:
        is_text = len(shape.features) == 1
        pixels = rng.integers(0, 256, size, np.uint8)
        everything = (pixels < 256 * WORDS_SHARE).astype(np.uint8) if is_text else pixels
    target = encode(rng.integers(0, shape.classes or 1, rows), resolution.encoding, shape.classes)
    cut = round(rows * (1 - VALIDATION_SHARE))
    train, validation = (
        Part(everything[part], target[part]) for part in (slice(cut), slice(cut, rows))
    )
    channels = shape.features[-1:]
    scaling = FeatureScaling(np.zeros(channels, np.float32), np.ones(channels, np.float32))
    scaled = everything.dtype == np.float32
    return Data(train, validation, validation.take(np.arange(0)), scaling, scaled, {})


def fit(resolution: Resolution, data: Data) -> Epochs:
    """`model.fit` on float32 arrays, as a user of Keras calls it."""
    network = Network(resolution)
    network.penalize_outputs()
    model = network.keras_model(keras.Input(network.graph.input_shape))
    objective = build_objective(resolution, network, data)
    model.compile(
        optimizer=objective.optimizer, loss=objective.loss, metrics=list(objective.metrics.values())
    )
    train, validation = (
        (np.asarray(part.x, np.float32), part.y) for part in (data.train, data.validation)
    )
    while True:
        started = time.perf_counter()
        model.fit(
            *train,
            validation_data=validation,
            batch_size=resolution.spec.training.batch_size,
            verbose=0,
        )
        yield time.perf_counter() - started


def ridgeline(resolution: Resolution, data: Data) -> Epochs:
    """The engine's compiled epoch, with its sample of training rows in inference mode."""
    network = Network(resolution)
    objective = build_objective(resolution, network, data)
    batch_size = resolution.spec.training.batch_size
    epoch = CompiledEpoch(
        network,
        objective,
        row_spec(data.train),
        decoding(data),
        rows=data.train.rows,
        batch_size=batch_size,
    )
    fitting = Fitting(resolution, network, objective, epoch, data)
    while True:
        row = fitting.run_epoch(len(fitting.rows) + 1)
        fitting.rows.append(row)
        yield row.seconds
