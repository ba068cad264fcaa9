"""What planning says of a stratified split, compared with scikit-learn's split itself."""

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split
from sklearn.utils.extmath import _approximate_mode

from ridgeline.planning.stratification import (
    _kept,
    divided_rows,
    missing_class,
    sufficient_split,
)
from ridgeline.spec.dataset import DatasetShape, Split, SplitRows

COUNTS = st.lists(st.integers(1, 12) | st.integers(1, 200), min_size=2, max_size=12)
SHARES = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5]) | st.floats(0, 0.6)


def divide(counts: list[int], rows: SplitRows, seed: int) -> bool:
    """Whether scikit-learn's split puts every class into every part."""
    target = np.repeat(np.arange(len(counts)), counts)
    parts = []
    try:
        for size in (rows.test, rows.validation):
            if size:
                target, part = train_test_split(
                    target, test_size=size, random_state=seed, stratify=target
                )
                parts.append(part)
    except ValueError:
        return False
    return all(len(np.unique(part)) == len(counts) for part in (*parts, target))


def shape(counts: list[int]) -> DatasetShape:
    return DatasetShape(sum(counts), (1,), len(counts))


def rows_of(counts: list[int], validation: float, test: float) -> SplitRows:
    return divided_rows(Split(validation=validation, test=test, stratify=True), shape(counts))


@given(counts=COUNTS, validation=SHARES, test=SHARES, seed=st.integers(0, 2**31 - 1))
@settings(max_examples=150)
def test_a_split_is_accepted_exactly_if_it_has_every_class_in_every_part(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    rows = rows_of(counts, validation, test)
    assume(rows.train > 0)
    accepted = missing_class(counts, rows, seed) is None
    event("accepted" if accepted else "rejected")
    assert accepted == divide(counts, rows, seed)


@given(counts=COUNTS, seed=st.integers(0, 2**31 - 1), size=st.integers(1, 200))
@settings(max_examples=100)
def test_each_class_keeps_as_many_rows_as_in_scikit_learn(
    counts: list[int], seed: int, size: int
) -> None:
    assume(size < sum(counts))
    kept = _approximate_mode(np.array(counts), size, np.random.RandomState(seed))
    assert _kept(counts, size, seed) == list(kept)


@given(counts=COUNTS, validation=SHARES, test=SHARES)
@settings(max_examples=60)
def test_the_suggested_shares_would_do(counts: list[int], validation: float, test: float) -> None:
    split = Split(validation=validation, test=test, stratify=True)
    rows = divided_rows(split, shape(counts))
    assume(rows.train > 0)
    missing = missing_class(counts, rows, 0)
    assume(missing is not None)
    assert missing is not None
    enough = sufficient_split(counts, split, shape(counts), missing, 0)
    if enough is None:
        event("none would do")
        return
    event("some would do")
    assert bool(enough.test) >= bool(test)
    assert bool(enough.validation) >= bool(validation)
    assert divide(counts, divided_rows(enough, shape(counts)), seed=0)


@pytest.mark.parametrize(
    ("counts", "validation", "test", "part"),
    [
        ([60, 60, 2], 0.2, 0.3, "validation"),  # 1 of 2 rows is for the test
        ([60, 60, 2], 0.2, 0.0, "validation"),  # scikit-learn says nothing, and takes none
        ([60, 60, 1], 0.0, 0.2, "test"),
        ([50, 50, 50], 0.2, 0.2, None),
        ([60, 60, 4], 0.2, 0.2, None),
    ],
)
def test_the_part_without_a_class(
    counts: list[int], validation: float, test: float, part: str | None
) -> None:
    missing = missing_class(counts, rows_of(counts, validation, test), 0)
    assert (missing and missing.part) == part
