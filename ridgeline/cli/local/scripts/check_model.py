"""Measure a model that was trained on the digits, with plain Keras.

    python check_model.py model.keras split.npz

Nothing of Ridgeline is used here: the file is loaded as anybody would load it, and tried on the
rows that training never saw. `split.npz` holds their numbers in the data set under `test`.
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
    """Print the accuracy and the mean crossentropy on the test rows as JSON."""
    model = keras.saving.load_model(sys.argv[1])
    rows = np.load(sys.argv[2])["test"]
    digits = load_digits()
    truth = digits.target[rows]
    probabilities = model.predict(digits.data[rows], verbose=0)
    of_the_truth = probabilities[np.arange(len(rows)), truth]
    measured = {
        "rows": len(rows),
        "test_accuracy": float(np.mean(probabilities.argmax(axis=1) == truth)),
        "test_data_loss": float(np.mean(-np.log(of_the_truth))),
    }
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
