"""Specs that the documentation shows. A test posts each of them."""

from typing import Any

DIGITS: dict[str, Any] = {
    "name": "digits-l2-dropout",
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.2, "test": 0.1, "stratify": True},
    "model": {
        "layers": [
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "regularization": {"weights": {"l2": 0.001}, "dropout": {"rate": 0.3, "after": ["dense"]}},
    "training": {
        "epochs": 30,
        "batch_size": 32,
        "optimizer": {"name": "adam", "learning_rate": 0.001},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "seed": 7,
    },
    "outputs": ["keras", "saved_model"],
    "tags": ["demo"],
}

IRIS: dict[str, Any] = {
    "dataset": {"name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {"loss": "sparse_categorical_crossentropy"},
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "digits": {"summary": "Handwritten digits, with L2 and dropout", "value": DIGITS},
    "iris": {"summary": "The least a spec needs", "value": IRIS},
}
