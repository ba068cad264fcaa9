"""Split, scaling and encoding."""

import numpy as np
import pytest

from tests.unit.worker.engine.conftest import MakeSpec, Setup
from worker.engine.data.prepare import encode, split_indices
from worker.engine.data.scaling import fit_scaling
from worker.engine.data.sources import load


@pytest.mark.parametrize("stratify", [True, False])
def test_every_row_is_in_one_part(stratify: bool, make_spec: MakeSpec) -> None:
    spec = make_spec(split={"validation": 0.2, "test": 0.1, "stratify": stratify})
    setup = Setup(spec)
    indices = setup.data.indices
    assert sorted(np.concatenate(list(indices.values()))) == list(range(150))
    assert tuple(map(len, indices.values())) == setup.resolution.rows == (105, 30, 15)
    if stratify:
        _, target = load(spec.dataset)
        for rows in indices.values():
            assert len(set(np.bincount(target[rows]))) == 1


def test_the_seed_decides_the_split(make_spec: MakeSpec) -> None:
    spec = make_spec()
    rows = Setup(spec).resolution.rows
    _, target = load(spec.dataset)
    first, again, other = (split_indices(target, spec.split, rows, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first["train"], again["train"])
    assert not np.array_equal(first["train"], other["train"])


def test_scaling_is_fitted_on_the_training_rows_only(make_spec: MakeSpec) -> None:
    setup = Setup(make_spec())
    features, _ = load(setup.spec.dataset)
    train = features[setup.data.indices["train"]]
    np.testing.assert_allclose(setup.data.scaling.mean, train.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(setup.data.train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(setup.data.train.x.std(axis=0), 1, rtol=1e-4)
    assert np.abs(setup.data.validation.x.mean(axis=0)).max() > 1e-3


def test_minmax_maps_the_training_rows_to_the_unit_interval() -> None:
    rows = np.array([[0.0, 5.0, 7.0], [4.0, 15.0, 7.0]], np.float32)
    scaled = fit_scaling(rows, "minmax").apply(rows)
    np.testing.assert_allclose(scaled, [[0, 0, 0], [1, 1, 0]])


@pytest.mark.parametrize("method", ["standard", "minmax"])
def test_a_constant_column_stays_finite(method: str) -> None:
    rows = np.array([[2.0], [2.0]], np.float32)
    scaling = fit_scaling(rows, method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(scaling.apply(rows), 0)


def test_no_scaling_leaves_rows_as_they_are() -> None:
    rows = np.array([[2.0, -1.0]], np.float32)
    scaling = fit_scaling(rows, "none")
    assert scaling.identity
    np.testing.assert_array_equal(scaling.apply(rows), rows)


def test_encodings() -> None:
    target = np.array([0, 2, 1])
    assert encode(target, "index", 3).dtype == np.int32
    np.testing.assert_array_equal(encode(target, "one_hot", 3), np.eye(3)[[0, 2, 1]])
    np.testing.assert_array_equal(encode(np.array([0, 1]), "binary", 2), [[0], [1]])
    np.testing.assert_array_equal(encode(np.array([0.5]), "value", None), [[0.5]])
