"""The metrics a run can measure, by Keras's names."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

MetricName = Literal[
    "accuracy",
    "top_k_categorical_accuracy",
    "auc",
    "precision",
    "recall",
    "f1_score",
    "categorical_crossentropy",
    "binary_crossentropy",
    "cosine_similarity",
    "mean_squared_error",
    "root_mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "log_cosh_error",
    "r2_score",
]
MetricAlias = Literal["acc", "mse", "mae", "mape", "msle", "bce"]
METRIC_ALIASES: dict[str, MetricName] = {
    "acc": "accuracy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
}
CLASS_METRICS = frozenset(
    {
        *("accuracy", "top_k_categorical_accuracy", "auc", "precision", "recall", "f1_score"),
        *("categorical_crossentropy", "binary_crossentropy", "cosine_similarity"),
    }
)
#: Metrics of which more is better, as Keras's own `_direction` says; of the others less is.
RISING_METRICS = frozenset(
    {
        *("accuracy", "top_k_categorical_accuracy", "auc", "precision", "recall", "f1_score"),
        *("cosine_similarity", "r2_score"),
    }
)


def _spell_out(name: Any) -> Any:
    return METRIC_ALIASES.get(name, name) if isinstance(name, str) else name


AnyMetric = Annotated[
    MetricName, BeforeValidator(_spell_out, json_schema_input_type=MetricName | MetricAlias)
]
