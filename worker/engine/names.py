"""Layer names that Keras must not give to operations of its own.

Computing a mask adds operations to a Keras model, such as `not_equal` for an Embedding's, named by
their class and a counter. A model needs unique names, and a spec may use any of them for a layer.
"""

from collections import defaultdict
from collections.abc import Iterable

import keras

_OPERATIONS = 10_000
"""More than a network's masks have of one kind."""


def keep_free(names: Iterable[str]) -> None:
    """Advance Keras's counters so that the next operations get none of `names`."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for name in names:
        stem, _, number = name.rpartition("_")
        if stem and number.isdecimal():
            numbers[stem].append(int(number))
        numbers[name].append(0)
    for stem, taken in numbers.items():
        _advance(stem, taken)


def _advance(stem: str, taken: Iterable[int]) -> None:
    """Advance the counter of `stem` to where the next numbers are not among `taken`."""
    count = keras.backend.get_uid(stem)  # from 1: the name without a number is gone with this
    free = count
    for number in sorted(taken):
        if free <= number < free + _OPERATIONS:
            free = number + 1
    while count < free:
        count = keras.backend.get_uid(stem)
