"""What specs say differently."""

import json
from typing import Any

from ridgeline.contract.comparison import MAX_DIFFERENCES, Comparison, differences
from ridgeline.contract.spec import JobSpec

BASE: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {"loss": "sparse_categorical_crossentropy"},
}


def stored(**changes: Any) -> str:
    """A spec as the service stores it: what the author said."""
    return JobSpec.model_validate_json(json.dumps(BASE | changes)).model_dump_json(
        exclude_unset=True
    )


def found(*specs: str) -> dict[str, dict[str, Any]]:
    listed, left_out = differences({f"job_{n}": spec for n, spec in enumerate(specs)})
    assert left_out == 0
    return {each.pointer: each.values for each in listed}


def test_alike_is_no_difference() -> None:
    assert found(stored(), stored(), stored()) == {}


def test_a_value_another_and_one_that_is_not_there() -> None:
    strong = stored(regularization={"weights": {"l2": 0.1}})
    weak = stored(regularization={"weights": {"l2": 0.01}})
    assert found(strong, weak, stored()) == {
        "/regularization/weights/l2": {"job_0": 0.1, "job_1": 0.01}
    }


def test_a_default_that_is_said_is_no_difference() -> None:
    default = JobSpec.model_validate_json(stored()).training.batch_size
    training = BASE["training"]
    said = stored(training={**training, "batch_size": default})
    assert found(stored(), said) == {}
    other = stored(training={**training, "batch_size": default + 1})
    assert found(stored(), other) == {
        "/training/batch_size": {"job_0": default, "job_1": default + 1}
    }


def test_null_and_silence_are_two_things() -> None:
    """`kernel_regularizer: null` means none, where silence means the policy's."""
    layer = {**BASE["model"]["layers"][0], "kernel_regularizer": None}
    none = stored(model={"layers": [layer]})
    assert found(stored(), none) == {"/model/layers/0/kernel_regularizer": {"job_1": None}}


def test_layers_that_only_one_has() -> None:
    two = stored(model={"layers": [{"type": "Dense", "units": 8}, *BASE["model"]["layers"]]})
    listed = found(stored(), two)
    assert listed["/model/layers/0/units"] == {"job_0": 3, "job_1": 8}
    assert listed["/model/layers/1/type"] == {"job_1": "Dense"}


def test_a_name_with_a_slash_is_escaped() -> None:
    listed = found('{"a/b": 1, "c~d": []}', '{"a/b": 2, "c~d": [1]}')
    assert set(listed) == {"/a~1b", "/c~0d", "/c~0d/0"}


def test_true_is_not_one() -> None:
    assert found('{"a": true}', '{"a": 1}') == {"/a": {"job_0": True, "job_1": 1}}


def test_not_without_end() -> None:
    many = json.dumps({str(n): n for n in range(2 * MAX_DIFFERENCES)})
    listed, left_out = differences({"a": many, "b": '{"0": 0}'})
    assert (len(listed), left_out) == (MAX_DIFFERENCES, MAX_DIFFERENCES - 1)


def test_it_survives_its_own_json() -> None:
    listed, left_out = differences({"a": stored(name="x"), "b": stored(name="y")})
    whole = Comparison(jobs=(), differences=tuple(listed), differences_left_out=left_out, curves={})
    assert Comparison.model_validate_json(whole.model_dump_json()) == whole
