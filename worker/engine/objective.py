"""What training minimizes and measures: the Keras loss, metrics and optimizer of a spec."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.loss_fit import TargetEncoding
from ridgeline.planning.resolve import Resolution
from ridgeline.spec.training import Loss, MetricName, Training
from worker.engine.data import Data
from worker.engine.model import Network
from worker.engine.optimization import build_optimizer
from worker.engine.regularization.penalty import Penalties

_CLASS_METRICS: dict[tuple[str, TargetEncoding], type[keras.Metric]] = {
    ("accuracy", "index"): keras.metrics.SparseCategoricalAccuracy,
    ("accuracy", "one_hot"): keras.metrics.CategoricalAccuracy,
    ("accuracy", "binary"): keras.metrics.BinaryAccuracy,
    ("top_k_categorical_accuracy", "index"): keras.metrics.SparseTopKCategoricalAccuracy,
    ("top_k_categorical_accuracy", "one_hot"): keras.metrics.TopKCategoricalAccuracy,
    ("categorical_crossentropy", "index"): keras.metrics.SparseCategoricalCrossentropy,
    ("categorical_crossentropy", "one_hot"): keras.metrics.CategoricalCrossentropy,
}
_METRICS: dict[str, type[keras.Metric]] = {
    "auc": keras.metrics.AUC,
    "precision": keras.metrics.Precision,
    "recall": keras.metrics.Recall,
    "f1_score": keras.metrics.F1Score,
    "binary_crossentropy": keras.metrics.BinaryCrossentropy,
    "cosine_similarity": keras.metrics.CosineSimilarity,
    "mean_squared_error": keras.metrics.MeanSquaredError,
    "root_mean_squared_error": keras.metrics.RootMeanSquaredError,
    "mean_absolute_error": keras.metrics.MeanAbsoluteError,
    "mean_absolute_percentage_error": keras.metrics.MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": keras.metrics.MeanSquaredLogarithmicError,
    "log_cosh_error": keras.metrics.LogCoshError,
    "r2_score": keras.metrics.R2Score,
}
_MARGIN_LOSSES = {"hinge", "squared_hinge"}


class Objective(NamedTuple):
    """The data loss, the penalties, the metrics, and the optimizer."""

    loss: keras.Loss
    penalties: Penalties
    metrics: dict[str, keras.Metric]
    optimizer: keras.Optimizer
    row_weights: Callable[[tf.Tensor], tf.Tensor | None]
    """The weight of each row of a batch of targets in training; None if equal."""


def build_objective(resolution: Resolution, network: Network, data: Data) -> Objective:
    """The objective of a resolved spec over a network's weights."""
    training, classes = resolution.spec.training, dataset_shape(resolution.spec.dataset).classes
    weights = class_weights(training, resolution.encoding, data.train.y, classes)
    return Objective(
        loss=build_loss(training.loss),
        penalties=Penalties(resolution.penalties, network.weights),
        metrics=build_metrics(training.metrics, training.loss, resolution.encoding),
        optimizer=build_optimizer(training, network.model.trainable_variables),
        row_weights=_row_weights(weights, resolution.encoding),
    )


def build_loss(loss: Loss) -> keras.Loss:
    """The loss, averaged over a batch, without the penalty."""
    excluded = {"name"} if loss.takes_logits else {"name", "from_logits"}
    if loss.name == "sparse_categorical_crossentropy":
        excluded.add("label_smoothing")
    built: keras.Loss = getattr(keras.losses, type(loss).__name__)(
        **loss.model_dump(exclude=excluded)
    )
    return built


def build_metrics(
    names: Sequence[MetricName], loss: Loss, encoding: TargetEncoding
) -> dict[str, keras.Metric]:
    """The metrics by their names in the spec."""
    return {name: _metric(name, loss, encoding) for name in names}


def _metric(name: str, loss: Loss, encoding: TargetEncoding) -> keras.Metric:
    keras_class = _CLASS_METRICS.get((name, encoding)) or _METRICS[name]
    return keras_class(name=name, **_metric_arguments(name, loss, encoding))


def _metric_arguments(name: str, loss: Loss, encoding: TargetEncoding) -> dict[str, Any]:
    """Arguments of a metric: for logits and margins the threshold is 0 instead of ½."""
    margin = loss.from_logits or loss.name in _MARGIN_LOSSES
    if name == "f1_score":
        # One column: threshold ½; several: the largest is the class. All classes count equally.
        return {"average": "macro", "threshold": 0.5 if encoding == "binary" else None}
    if name.endswith("_crossentropy"):
        return {"from_logits": loss.from_logits}
    if not margin:
        return {}
    if (name, encoding) == ("accuracy", "binary"):
        return {"threshold": 0.0}
    if name in ("precision", "recall"):
        return {"thresholds": 0.0}
    return {"from_logits": True} if name == "auc" else {}


def class_weights(
    training: Training, encoding: TargetEncoding, y: npt.NDArray[Any], classes: int | None
) -> npt.NDArray[np.float32] | None:
    """The weight of each class in the training loss, shape (classes,); None if equal.

    `y` are the encoded targets of the training rows. `balanced` is rows/(classes·rows of the
    class) (King & Zeng, 2001), 1 for a class without rows.
    """
    setting = training.class_weight
    if setting is None or classes is None:
        return None
    if setting == "balanced":
        rows = np.bincount(row_classes(y, encoding), minlength=classes)
        balanced = len(y) / (classes * np.maximum(rows, 1))
        return np.where(rows > 0, balanced, 1.0).astype(np.float32)
    weights = np.ones(classes, np.float32)
    for number, weight in setting.items():
        weights[int(number)] = weight
    return weights


def _row_weights(
    weights: npt.NDArray[np.float32] | None, encoding: TargetEncoding
) -> Callable[[tf.Tensor], tf.Tensor | None]:
    """A function from a batch of targets to the rows' weights, shape (batch,)."""

    def of_class(y: tf.Tensor) -> tf.Tensor:
        number = tf.argmax(y, axis=1) if encoding == "one_hot" else tf.reshape(y, [-1])
        return tf.gather(weights, tf.cast(number, tf.int32))

    return of_class if weights is not None else lambda _: None


def row_classes(y: npt.NDArray[Any], encoding: TargetEncoding) -> npt.NDArray[np.int64]:
    """The class of each row of encoded targets, shape (rows,)."""
    if encoding == "one_hot":
        return np.argmax(y, axis=1)
    return np.reshape(y, -1).astype(np.int64)
