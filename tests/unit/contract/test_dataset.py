"""The built-in data sets are what scikit-learn loads, and the split adds up."""

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.contract.dataset import BUILTIN, BuiltinDataset, Split, split_rows


@pytest.mark.parametrize("name", BUILTIN)
def test_shapes_are_scikit_learns(name: str) -> None:
    features, target = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    shape = BUILTIN[name]
    assert (shape.rows, *shape.features) == features.shape
    if shape.classes is None:
        assert len(np.unique(target)) > 100
    else:
        assert np.unique(target).tolist() == list(range(shape.classes))


def test_every_name_a_spec_may_say_has_a_shape() -> None:
    schema = BuiltinDataset.model_json_schema()
    assert set(schema["properties"]["name"]["enum"]) == set(BUILTIN)
    assert BuiltinDataset(name="iris").shape == BUILTIN["iris"]


SHARES = st.floats(0, 1, exclude_max=True)


@given(validation=SHARES, test=SHARES, rows=st.integers(0, 10**9))
def test_the_parts_of_a_split_are_all_rows(validation: float, test: float, rows: int) -> None:
    parts = split_rows(Split(validation=validation, test=test), rows)
    assert sum(parts) == rows
    assert abs(parts.validation - validation * rows) <= 0.5
    assert abs(parts.test - test * rows) <= 0.5


def test_a_split_by_hand() -> None:
    assert split_rows(Split(validation=0.2, test=0.1), 1797) == (1258, 359, 180)
