"""How many rows of each class a stratified split puts into each part.

The split is scikit-learn's train_test_split, called for the test rows and then for the validation
rows: of a class, a part gets the part's share, rounded by the largest remainders; among equal
remainders the seed decides. `planning` must know the outcome without NumPy, which a client does not
install, so the few lines of both that decide it are written out here.
"""

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import floor
from typing import Literal, NamedTuple

from ridgeline.spec.dataset import DatasetShape, Split, SplitRows, split_rows

HeldOut = Literal["validation", "test"]
_STEPS = 100
"""Suggested shares are hundredths."""
_STATE_WORDS = 624
_WORD = 2**32


class MissingClass(NamedTuple):
    """A class that gets no row in a part."""

    place: int
    """The class, by its place in the counts."""
    part: Literal["train", "validation", "test"]


def missing_class(counts: Sequence[int], rows: SplitRows, seed: int) -> MissingClass | None:
    """A class that a stratified split leaves without a row in a part; None if there is none.

    `counts` are the rows of each class among those that the split divides, `rows` how many of them
    each part gets. A part of 0 rows needs no class.
    """
    left, size = list(counts), sum(rows)
    held_out: tuple[HeldOut, ...] = ("test", "validation")
    for part in held_out:
        if not getattr(rows, part):
            continue
        before, size = left, size - getattr(rows, part)
        left = _kept(before, size, seed)
        for index, count in enumerate(left):
            if count in (0, before[index]):
                return MissingClass(index, part if count else "train")
    return None


def sufficient_split(
    counts: Sequence[int], split: Split, data: DatasetShape, missing: MissingClass, seed: int
) -> Split | None:
    """A split near `split` with every class in every part; None if there is none in hundredths.

    Raises the share of the part that lacks a class; if that is the training part, lowers the larger
    share; if that does not help, changes both.
    """
    for candidate in _candidates(split, missing):
        rows = divided_rows(candidate, data)
        if rows.train > 0 and missing_class(counts, rows, seed) is None:
            return candidate
    return None


def divided_rows(split: Split, data: DatasetShape) -> SplitRows:
    """Rows of each part that the split itself divides, without the data set's own."""
    rows = split_rows(split, data)
    return SplitRows(rows.train, rows.validation - data.validation_rows, rows.test - data.test_rows)


def _candidates(split: Split, missing: MissingClass) -> Iterator[Split]:
    larger: HeldOut = "test" if split.test > split.validation else "validation"
    part = larger if missing.part == "train" else missing.part
    share = getattr(split, part)
    steps = [step / _STEPS for step in range(1, _STEPS)]
    above, below = [s for s in steps if s > share], [s for s in reversed(steps) if s < share]
    for other in below if missing.part == "train" else (*above, *below):
        yield split.model_copy(update={part: other})
    for both in steps if split.validation and split.test else ():
        yield split.model_copy(update={"validation": both, "test": both})


def _kept(counts: Sequence[int], size: int, seed: int) -> list[int]:
    """How many rows of each class stay if `size` rows stay in all.

    As sklearn.utils.extmath._approximate_mode, with the same roundings.
    """
    total = sum(counts)
    shares = [count / total * size for count in counts]
    kept = [floor(share) for share in shares]
    remainders = [share - whole for share, whole in zip(shares, kept, strict=True)]
    generator, left = None, size - sum(kept)
    for remainder in sorted(set(remainders), reverse=True):
        if left == 0:
            break
        equal = [index for index, other in enumerate(remainders) if other == remainder]
        generator = generator or _generator(seed)
        for place in _permutation(generator, len(equal))[:left]:
            kept[equal[place]] += 1
        left -= min(left, len(equal))
    return kept


def _generator(seed: int) -> random.Random:
    """The generator of numpy.random.RandomState(seed); Python's own is seeded in another way."""
    generator = random.Random()  # noqa: S311 - the same numbers are the purpose
    generator.setstate(_seeded_state(seed))
    return generator


@lru_cache(maxsize=128)  # most specs have the same few seeds, and a POST should not wait for it
def _seeded_state(seed: int) -> tuple[int, tuple[int, ...], None]:
    state = [seed]
    for index in range(1, _STATE_WORDS):
        last = state[-1]
        state.append((1_812_433_253 * (last ^ (last >> 30)) + index) % _WORD)
    return (3, (*state, _STATE_WORDS), None)


def _permutation(generator: random.Random, size: int) -> list[int]:
    """RandomState.permutation: Fisher and Yates's shuffle, with bounds by rejection."""
    order = list(range(size))
    for index in reversed(range(1, size)):
        mask = (1 << index.bit_length()) - 1
        while (other := generator.getrandbits(32) & mask) > index:
            pass
        order[index], order[other] = order[other], order[index]
    return order
