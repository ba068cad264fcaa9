"""What training minimizes and measures: the Keras loss, metrics and optimizer a spec names."""

from collections.abc import Sequence
from typing import NamedTuple

import keras

from ridgeline.contract.resolve import Resolution
from ridgeline.contract.targets import TargetEncoding
from ridgeline.contract.training import Loss, MetricName
from worker.engine.model import Network
from worker.engine.optimizers import build_optimizer
from worker.engine.regularization.penalty import WeightPenalties

_LOSSES: dict[str, type[keras.Loss]] = {
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_hinge": keras.losses.CategoricalHinge,
    "hinge": keras.losses.Hinge,
    "squared_hinge": keras.losses.SquaredHinge,
    "kl_divergence": keras.losses.KLDivergence,
    "mean_squared_error": keras.losses.MeanSquaredError,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
    "mean_absolute_percentage_error": keras.losses.MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": keras.losses.MeanSquaredLogarithmicError,
    "huber": keras.losses.Huber,
    "log_cosh": keras.losses.LogCosh,
    "poisson": keras.losses.Poisson,
}
_CLASS_METRICS: dict[tuple[str, TargetEncoding], type[keras.Metric]] = {
    ("accuracy", "index"): keras.metrics.SparseCategoricalAccuracy,
    ("accuracy", "one_hot"): keras.metrics.CategoricalAccuracy,
    ("accuracy", "binary"): keras.metrics.BinaryAccuracy,
    ("top_k_categorical_accuracy", "index"): keras.metrics.SparseTopKCategoricalAccuracy,
    ("top_k_categorical_accuracy", "one_hot"): keras.metrics.TopKCategoricalAccuracy,
}
_METRICS: dict[str, type[keras.Metric]] = {
    "auc": keras.metrics.AUC,
    "precision": keras.metrics.Precision,
    "recall": keras.metrics.Recall,
    "mean_squared_error": keras.metrics.MeanSquaredError,
    "root_mean_squared_error": keras.metrics.RootMeanSquaredError,
    "mean_absolute_error": keras.metrics.MeanAbsoluteError,
    "mean_absolute_percentage_error": keras.metrics.MeanAbsolutePercentageError,
    "r2_score": keras.metrics.R2Score,
}
_LOGIT_LOSSES = {"hinge", "squared_hinge"}


class Objective(NamedTuple):
    """The data loss, the penalties beside it, the metrics, and the optimizer of their sum."""

    loss: keras.Loss
    penalties: WeightPenalties
    metrics: dict[str, keras.Metric]
    optimizer: keras.Optimizer


def build_objective(resolution: Resolution, network: Network) -> Objective:
    """The objective of a resolved spec over a network's weights."""
    training = resolution.spec.training
    return Objective(
        loss=build_loss(training.loss),
        penalties=WeightPenalties(resolution.penalties, network.layers),
        metrics=build_metrics(training.metrics, training.loss, resolution.encoding),
        optimizer=build_optimizer(training.optimizer, network.model.trainable_variables),
    )


def build_loss(loss: Loss) -> keras.Loss:
    """The loss, averaged over a batch, without the penalty."""
    arguments = {"from_logits": True} if loss.from_logits else {}
    return _LOSSES[loss.name](**arguments)


def build_metrics(
    names: Sequence[MetricName], loss: Loss, encoding: TargetEncoding
) -> dict[str, keras.Metric]:
    """The metrics by the names the spec gives them."""
    return {name: _metric(name, loss, encoding) for name in names}


def _metric(name: str, loss: Loss, encoding: TargetEncoding) -> keras.Metric:
    """Where the output is a logit or a margin, its threshold is 0 in place of ½."""
    margin = loss.from_logits or loss.name in _LOGIT_LOSSES
    if (name, encoding) == ("accuracy", "binary") and margin:
        return keras.metrics.BinaryAccuracy(name=name, threshold=0.0)
    if name in ("precision", "recall") and margin:
        return _METRICS[name](name=name, thresholds=0.0)
    if name == "auc" and margin:
        return keras.metrics.AUC(name=name, from_logits=True)
    return (_CLASS_METRICS.get((name, encoding)) or _METRICS[name])(name=name)
