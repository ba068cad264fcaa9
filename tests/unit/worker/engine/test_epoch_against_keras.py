"""The compiled epoch and `keras.Model.fit` agree on the same batches."""

from typing import Any

import numpy as np
import pytest

from tests.unit.worker.engine.conftest import MakeSpec, Setup
from tests.unit.worker.engine.keras_fit import assert_same_as_fit
from worker.engine.epoch import Controls
from worker.engine.passes import evaluate_pass, place, train_pass
from worker.engine.seeds import mask_seed, row_order

pytestmark = pytest.mark.slow

L1L2 = {"l1": 0.002, "l2": 0.003}
IMAGES = [
    {"type": "Reshape", "target_shape": [8, 8, 1]},
    {"type": "Conv2D", "filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"},
    {"type": "BatchNormalization"},
    {"type": "MaxPooling2D"},
    {"type": "GlobalAveragePooling2D"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]
RESIDUAL = [
    {"type": "Dense", "units": 8, "activation": "relu", "name": "stem"},
    {"type": "Dense", "units": 8, "activation": "tanh", "name": "branch"},
    {"type": "Add", "inputs": ["stem", "branch"]},
    {"type": "Concatenate", "inputs": ["add", "input"]},
    {"type": "Dense", "units": 1, "activation": "sigmoid"},
]
REGRESSION = [{"type": "Dense", "units": 8, "activation": "gelu"}, {"type": "Dense", "units": 1}]

CASES: dict[str, dict[str, Any]] = {
    "adam": {"training": {"optimizer": {"name": "adam", "beta_1": 0.8, "epsilon": 1e-3}}},
    "amsgrad": {"training": {"optimizer": {"name": "adam", "amsgrad": True}}},
    "sgd": {"training": {"optimizer": {"name": "sgd"}}},
    "momentum": {"training": {"optimizer": {"name": "sgd", "momentum": 0.9}}},
    "nesterov": {"training": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}}},
    "rmsprop": {"training": {"optimizer": {"name": "rmsprop", "momentum": 0.5, "centered": True}}},
    "adamw": {"training": {"optimizer": {"name": "adamw", "weight_decay": 0.1}}},
    "one-hot": {"training": {"loss": "categorical_crossentropy", "metrics": ["accuracy", "auc"]}},
    "logits": {
        "model": {"layers": [{"type": "Dense", "units": 3}]},
        "training": {"loss": {"name": "categorical_crossentropy", "from_logits": True}},
    },
    "images": {
        "dataset": {"source": "builtin", "name": "digits"},
        "model": {"layers": IMAGES},
        "training": {"batch_size": 256, "metrics": ["accuracy", "top_k_categorical_accuracy"]},
    },
    "residual": {
        "dataset": {"source": "builtin", "name": "breast_cancer"},
        "model": {"layers": RESIDUAL},
        "training": {"loss": "binary_crossentropy", "metrics": ["precision", "recall"]},
    },
    "one term": {
        "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
        "regularization": {"weights": {"l2": 0.01}},
    },
    "spatial dropout at rate 0 and a last batch of one": {
        "dataset": {"source": "builtin", "name": "digits"},
        "split": {"validation": 0.2},
        "model": {"layers": [*IMAGES[:2], {"type": "SpatialDropout2D", "rate": 0.0}, *IMAGES[3:]]},
        "training": {"batch_size": 479},
    },
    "hinge": {
        "dataset": {"source": "builtin", "name": "breast_cancer"},
        "model": {"layers": [{"type": "Dense", "units": 1, "activation": "tanh"}]},
        "training": {"loss": "hinge", "metrics": ["accuracy", "recall"]},
    },
    "activity": {"regularization": {"activity": {"l1": 0.01, "l2": 0.02}}},
    "orthogonal rows": {"regularization": {"weights": {"orthogonal": {"factor": 0.1}}}},
    "orthogonal columns": {
        "regularization": {"weights": {"orthogonal": {"factor": 0.1, "mode": "columns"}}}
    },
    "max norm": {
        "regularization": {"constraint": {"type": "MaxNorm", "max_value": 0.5}},
        "training": {"optimizer": {"name": "sgd", "learning_rate": 0.3}},
    },
    "unit norm": {"regularization": {"constraint": {"type": "UnitNorm", "axis": 1}}},
    "non-negative": {"regularization": {"constraint": {"type": "NonNeg"}}},
    "norms in a range": {
        "regularization": {
            "constraint": {"type": "MinMaxNorm", "min_value": 0.3, "max_value": 0.6, "rate": 0.5}
        }
    },
    "max norm of a convolution": {
        "dataset": {"source": "builtin", "name": "digits"},
        "model": {"layers": IMAGES},
        "regularization": {"constraint": {"type": "MaxNorm", "max_value": 0.4}},
        "training": {"batch_size": 256},
    },
    "clipped": {"training": {"optimizer": {"name": "adam", "global_clipnorm": 0.1}}},
    "averaged": {
        "training": {"optimizer": {"name": "sgd", "use_ema": True, "ema_overwrite_frequency": 2}}
    },
    "accumulated": {"training": {"optimizer": {"name": "adam", "gradient_accumulation_steps": 2}}},
    "accumulated, scheduled and averaged": {
        "training": {
            "optimizer": {
                "name": "sgd",
                "gradient_accumulation_steps": 3,
                "use_ema": True,
                "ema_momentum": 0.6,
                "ema_overwrite_frequency": 2,
                "learning_rate": {
                    "name": "exponential_decay",
                    "initial_learning_rate": 0.1,
                    "decay_steps": 2,
                    "decay_rate": 0.5,
                },
            }
        }
    },
    "decay of all weights": {
        "training": {
            "optimizer": {"name": "sgd", "weight_decay": 0.1, "weight_decay_on": "all"},
        }
    },
    "cosine decay": {
        "training": {
            "optimizer": {
                "name": "adam",
                "learning_rate": {
                    "name": "cosine_decay",
                    "initial_learning_rate": 0.01,
                    "decay_steps": 10,
                },
            }
        }
    },
    "label smoothing": {
        "training": {"loss": {"name": "categorical_crossentropy", "label_smoothing": 0.1}}
    },
    "class weights": {"training": {"class_weight": {"0": 3.0, "2": 0.5}}},
    "balanced classes, one-hot": {
        "split": {"validation": 0.2, "stratify": False},
        "training": {"loss": "categorical_crossentropy", "class_weight": "balanced"},
    },
    "regression": {
        "dataset": {"source": "builtin", "name": "diabetes"},
        "split": {"validation": 0.2},
        "model": {"layers": REGRESSION},
        "training": {"loss": "huber", "metrics": ["mean_absolute_error", "r2_score"]},
    },
}


@pytest.mark.parametrize("case", CASES)
def test_same_weights_and_losses_as_fit(case: str, make_spec: MakeSpec) -> None:
    penalties = {"weights": L1L2, "bias": {"l2": 0.01}}
    assert_same_as_fit(Setup(make_spec(**({"regularization": penalties} | CASES[case]))))


def test_penalties_and_data_loss_add_up_to_keras_loss(make_spec: MakeSpec) -> None:
    setup = Setup(make_spec(regularization={"weights": L1L2}))
    validation = place(setup.data.validation, batch_size=32)
    measured = evaluate_pass(setup.epoch, validation, setup.objective.penalties.coefficients)
    in_keras = sum(float(loss) for loss in setup.network.model.losses)
    assert float(np.sum(measured.penalties)) == pytest.approx(in_keras, rel=1e-6)
    assert len(setup.objective.penalties.terms) == 4


def test_controls_change_without_a_retrace(make_spec: MakeSpec) -> None:
    """Coefficients, rates, seeds and the learning rate are inputs of the compiled epoch."""
    setup = Setup(make_spec(regularization={"weights": {"l2": 0.001}, "dropout": {"rate": 0.3}}))
    rows = place(setup.data.train, batch_size=32)
    start = [weight.numpy() for weight in setup.network.model.weights]
    results = []
    for coefficient, rate, learning_rate in (
        (0.001, 0.3, 0.01),
        (5.0, 0.0, 0.01),
        (0.001, 0.3, 0.0),
    ):
        setup.network.model.set_weights(start)
        setup.objective.optimizer.learning_rate = learning_rate
        terms = len(setup.objective.penalties.terms)
        controls = Controls(
            np.full(terms, coefficient, np.float32),
            np.full(1, rate, np.float32),
            mask_seed(1, 1),
            np.int32(0),
        )
        order = row_order(1, 1, setup.data.train.rows)
        measured = train_pass(setup.epoch, rows, order, controls)
        results.append((measured.data_loss, float(np.sum(measured.penalties))))
    assert setup.epoch.train.experimental_get_tracing_count() == 1
    assert results[1][1] > 100 * results[0][1]
    assert results[2][0] > results[0][0]
