"""One side of bench_train.py: a network that trains an epoch for each line on standard input.

    python benchmarks/training_side.py SPEC ROWS (fit | ridgeline)

SPEC is a JobSpec as JSON, for its shapes, network and training. The rows are random ones of those
shapes: how long an epoch takes does not depend on what they say. Each line of output is one epoch's
seconds.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from ridgeline.planning.dataset import dataset_shape

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import numpy.typing as npt

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
"""How many of its words a review of the IMDB has: 120 of 10,000."""
Epochs = Iterator[float]


def main() -> None:
    """Train an epoch for each line."""
    spec = JobSpec.model_validate_json(sys.argv[1])
    sides: dict[str, Callable[[Resolution, Data], Epochs]] = {"fit": fit, "ridgeline": ridgeline}
    if sys.argv[3] == "ridgeline":
        devices.prepare(spec)
    resolution = resolve(spec, memory_limit=None)
    epochs = sides[sys.argv[3]](resolution, random_rows(resolution, int(sys.argv[2])))
    next(epochs)  # traces the network
    print("ready", flush=True)
    for _ in sys.stdin:
        print(next(epochs), flush=True)


def random_rows(resolution: Resolution, rows: int) -> Data:
    """Rows of the data set's shape, in the type in which the engine holds them."""
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


if __name__ == "__main__":
    main()
