"""Specs as they are read, and values set in them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ridgeline.cli.errors import ExitCode, UsageError
from ridgeline.cli.specs import parameters_of, read_spec

SPEC: dict[str, Any] = {"name": "x", "model": {"layers": [{"units": 8}]}, "tags": None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    return path


def put(file: Path, *settings: str) -> dict[str, Any]:
    return read_spec(str(file), settings).document


def test_values_are_json_or_strings(file: Path) -> None:
    assert put(file, "name=a b")["name"] == "a b"
    assert put(file, "name=5")["name"] == 5
    assert put(file, 'name="5"')["name"] == "5"
    assert put(file, "tags=[1]", "tags=")["tags"] == ""
    assert put(file, "name=a=b")["name"] == "a=b"
    assert put(file, "name=NaN")["name"] == "NaN", "JSON has no NaN"


def test_paths_pass_through_lists_and_create_sections(file: Path) -> None:
    document = put(file, "model.layers.0.units=3", "/model/layers/0/a.b~1c=1", "a.b.c=null")
    assert document["model"]["layers"] == [{"units": 3, "a.b/c": 1}]
    assert document["a"] == {"b": {"c": None}}


@pytest.mark.parametrize(
    "setting",
    ["", "name", "=1", "model.layers.1.units=3", "model.layers.x=3", "name.x=1", "tags.0=1"],
)
def test_path_that_leads_nowhere_is_rejected(file: Path, setting: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        put(file, setting)


def test_fault_is_located_in_the_file_or_the_option(file: Path) -> None:
    file.write_text('{\n"name": "x",\n"training": {\n"epochs": 3}}')
    spec = read_spec(str(file), ["training.epochs=5", "name=y"])
    assert spec.where("/training") == f"{file}:3"
    assert spec.where("/training/epochs") == "--set"
    assert spec.where("/name/0") == "--set"
    assert spec.where("/names") == f"{file}:1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1:1: expected JSON"),
        (b'{"a": 1,\n}', ":2:1: expected JSON"),
        (b'{"a": NaN}', "no NaN"),
        (b'{"a": 1e999}', "float64"),
        (b"[]", "JSON object"),
        (b"\xff{}", "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_file_that_is_not_a_spec_is_rejected(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_spec(str(file))
    assert caught.value.code is ExitCode.USAGE
    assert str(file) in str(caught.value)


def test_byte_order_mark_is_ignored(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_spec(str(file)).document == SPEC


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_spec(str(tmp_path / "none.json"))


def test_parameters_of_a_preset() -> None:
    assert parameters_of(["rate=0.4", "name=x"]) == {"rate": 0.4, "name": "x"}
