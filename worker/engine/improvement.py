"""Whether a monitored value is better than another."""

import numpy as np

from ridgeline.spec.training import EarlyStopping, ReduceLROnPlateau


class Improvement:
    """Compares as Keras's MonitorCallback does: by more than `min_delta`, in float32.

    NaN is never better, and nothing is better than NaN.
    """

    def __init__(self, said: EarlyStopping | ReduceLROnPlateau) -> None:
        self._rising = said.direction == "max"
        self._min_delta = said.min_delta

    def __call__(self, value: float, reference: float | None) -> bool:
        """Whether `value` improves on `reference`; on None anything does."""
        if reference is None:
            return True
        with np.errstate(over="ignore"):
            if self._rising:
                return bool(np.float32(value - self._min_delta) > np.float32(reference))
            return bool(np.float32(value + self._min_delta) < np.float32(reference))
