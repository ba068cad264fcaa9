"""The digits job as a plain Keras script: what a user would write without Ridgeline.

    python benchmarks/keras_baseline.py [--saved-model] [--epochs 30] FOLDER

The network, the data, the split, the batch size, the epochs, the penalty, the dropout and the
files are those of the job in `ridgeline/cli/demo.json`. Its last line is JSON: the seconds of the
import and of `fit`, and the accuracy on the test rows.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
started = time.perf_counter()

import keras  # noqa: E402 - timed
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

imported = time.perf_counter()

BATCH_SIZE = 32


def load_rows() -> tuple[tuple[object, object], ...]:
    """Training, validation and test rows: 70 %, 20 % and 10 %, each class in proportion."""
    digits = load_digits()
    x, x_test, y, y_test = train_test_split(
        digits.data, digits.target, test_size=180, stratify=digits.target, random_state=7
    )
    x, x_val, y, y_val = train_test_split(x, y, test_size=359, stratify=y, random_state=7)
    scaler = StandardScaler().fit(x)
    parts = ((x, y), (x_val, y_val), (x_test, y_test))
    return tuple((scaler.transform(rows).astype("float32"), labels) for rows, labels in parts)


def build_model() -> keras.Model:
    """64-64-10 with an L2 penalty on every kernel and dropout after the hidden layers."""
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(
                64, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)
            ),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(
                64, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)
            ),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(
                10, activation="softmax", kernel_regularizer=keras.regularizers.L2(1e-3)
            ),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.001),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--saved-model", action="store_true", help="export a SavedModel too")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(7)
    training, validation, test = load_rows()
    model = build_model()
    before = time.perf_counter()
    model.fit(
        *training,
        validation_data=validation,
        epochs=arguments.epochs,
        batch_size=BATCH_SIZE,
        verbose=0,
    )
    fitted = time.perf_counter() - before
    _, accuracy = model.evaluate(*test, verbose=0)
    model.save(arguments.folder / "model.keras")
    if arguments.saved_model:
        model.export(arguments.folder / "saved_model", verbose=False)
    measured = {
        "import_s": imported - started,
        "fit_s": fitted,
        "test_accuracy": float(accuracy),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
