"""Evaluates a model that was trained on the digits with plain Keras.

    python check_model.py model.keras split.npz

It imports nothing of Ridgeline: the file is loaded as anyone would load it, and evaluated on the
rows that were not used in training. `split.npz` has their indices in the data set under `test`.
"""

import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits


def main() -> None:
    """Print accuracy and mean cross-entropy on the test rows as JSON."""
    model = keras.saving.load_model(sys.argv[1])
    rows = np.load(sys.argv[2])["test"]
    digits = load_digits()
    labels = digits.target[rows]
    probabilities = model.predict(digits.data[rows], verbose=0)
    of_labels = probabilities[np.arange(len(rows)), labels]
    measured = {
        "rows": len(rows),
        "test_accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "test_data_loss": float(np.mean(-np.log(of_labels))),
    }
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
