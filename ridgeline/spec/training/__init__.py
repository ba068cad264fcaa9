"""How a model is trained: optimizer, loss, metrics, epochs, callbacks."""

from ridgeline.spec.training.fit import (
    DEFAULT_DEADLINE_S,
    EarlyStopping,
    Monitor,
    Precision,
    ReduceLROnPlateau,
    Training,
)
from ridgeline.spec.training.losses import (
    CLASS_METRICS,
    LOSSES,
    RISING_METRICS,
    AnyLoss,
    Loss,
    LossName,
    MetricName,
)
from ridgeline.spec.training.optimizers import (
    KERNELS,
    OPTIMIZERS,
    SGD,
    Adam,
    AdamW,
    AnyOptimizer,
    Optimizer,
    OptimizerName,
    RMSprop,
)
from ridgeline.spec.training.schedules import SCHEDULES, AnyLearningRate, Schedule

__all__ = [
    "CLASS_METRICS",
    "DEFAULT_DEADLINE_S",
    "KERNELS",
    "LOSSES",
    "OPTIMIZERS",
    "RISING_METRICS",
    "SCHEDULES",
    "SGD",
    "Adam",
    "AdamW",
    "AnyLearningRate",
    "AnyLoss",
    "AnyOptimizer",
    "EarlyStopping",
    "Loss",
    "LossName",
    "MetricName",
    "Monitor",
    "Optimizer",
    "OptimizerName",
    "Precision",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "Training",
]
