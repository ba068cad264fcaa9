"""JSON Patch operations on a spec (RFC 6902)."""

from collections.abc import Callable

import pytest
from pydantic import JsonValue, ValidationError

from ridgeline.spec.job_spec import JobSpec, PatchOperation, apply_patch

MakeSpec = Callable[..., JobSpec]


def operation(op: str, path: str, value: JsonValue) -> PatchOperation:
    return PatchOperation.model_validate({"op": op, "path": path, "value": value})


def test_replace_sets_a_member(make_spec: MakeSpec) -> None:
    patched = apply_patch(make_spec(), (operation("replace", "/model/layers/0/units", 32),))
    assert getattr(patched.model.layers[0], "units", None) == 32
    assert patched.model.layers[1] == apply_patch(make_spec(), ()).model.layers[1]


def test_add_overwrites_a_member(make_spec: MakeSpec) -> None:
    spec = make_spec(regularization={"dropout": {"rate": 0.5}})
    added = operation("add", "/regularization/dropout", {"rate": 0.3})
    policy = apply_patch(spec, (added,)).regularization.dropout
    assert policy is not None
    assert policy.rate == 0.3


@pytest.mark.parametrize(("at", "places"), [("0", [8, 16, 10]), ("1", [16, 8, 10])])
def test_add_inserts_into_a_list(make_spec: MakeSpec, at: str, places: list[int]) -> None:
    layer: JsonValue = {"type": "Dense", "units": 8}
    patched = apply_patch(make_spec(), (operation("add", f"/model/layers/{at}", layer),))
    assert [getattr(layer, "units", None) for layer in patched.model.layers] == places


def test_add_at_a_dash_appends_to_a_list(make_spec: MakeSpec) -> None:
    patched = apply_patch(make_spec(), (operation("add", "/tags/-", "a~b/c"),))
    assert patched.tags == ("a~b/c",)


@pytest.mark.parametrize(
    "path",
    ["/model/layers/7/units", "/model/layers/x", "/nothing", "/a~1b", "/model/layers/0/units/x"],
)
def test_a_path_that_does_not_exist_is_an_error(make_spec: MakeSpec, path: str) -> None:
    with pytest.raises(LookupError, match=path):
        apply_patch(make_spec(), (operation("replace", path, 1),))


def test_a_result_that_is_no_spec_is_an_error(make_spec: MakeSpec) -> None:
    with pytest.raises(ValidationError):
        apply_patch(make_spec(), (operation("replace", "/training/epochs", 0),))


@pytest.mark.parametrize("path", ["", "model", "/a~2b"])
def test_paths_are_json_pointers(path: str) -> None:
    with pytest.raises(ValidationError):
        operation("add", path, 1)
