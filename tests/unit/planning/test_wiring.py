"""Names, inputs, order, and what is wrong with a graph."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.planning.wiring import INPUT, consumers, name_source, positions, wire
from ridgeline.spec.faults import MAX_FAULTS, Fault, SpecError
from ridgeline.spec.layers import LAYERS, Layer
from ridgeline.spec.layers.core import Dense

FaultsOf = Callable[[Callable[[], object]], list[Fault]]


def dense(**fields: Any) -> dict[str, Any]:
    return {"type": "Dense", "units": 1, **fields}


def add(*inputs: str, **fields: Any) -> dict[str, Any]:
    return {"type": "Add", "inputs": list(inputs), **fields}


def wired(layers: tuple[Layer, ...]) -> list[tuple[str | None, tuple[str, ...] | None]]:
    return [(layer.name, layer.inputs) for layer in wire(layers)]


def test_names_and_inputs_are_spelled_out(parse_layers: Any) -> None:
    layers = parse_layers(dense(), {"type": "Flatten"}, dense(), dense())
    assert wired(layers) == [
        ("dense", ("input",)),
        ("flatten", ("dense",)),
        ("dense_1", ("flatten",)),
        ("dense_2", ("dense_1",)),
    ]
    assert positions(layers) == {"dense": 0, "flatten": 1, "dense_1": 2, "dense_2": 3}


def test_default_names_avoid_given_names(parse_layers: Any) -> None:
    layers = parse_layers(dense(), dense(name="dense_1"), dense(), dense(name="dense"))
    assert [name for name, _ in wired(layers)] == ["dense_2", "dense_1", "dense_3", "dense"]


@given(st.lists(st.sampled_from([*LAYERS, "dense", "dense_1", "dense_3", "flatten_1"])))
def test_default_names_are_unique(requested: list[str]) -> None:
    used = {name for name in requested if name not in LAYERS}
    free_name = name_source({INPUT, *used})
    defaults = [free_name(name) for name in requested if name in LAYERS]
    assert len({*defaults, *used}) == len(defaults) + len(used)


@pytest.mark.parametrize("name", ["twice", "input"])
def test_a_duplicate_name_is_rejected(name: str, parse_layers: Any, faults_of: FaultsOf) -> None:
    layers = parse_layers(dense(name="twice"), dense(), dense(name=name))
    (fault,) = faults_of(lambda: wire(layers))
    assert (fault.pointer, fault.rule) == ("/model/layers/2/name", "unique-name")
    assert repr(name) in fault.detail


def test_a_layer_may_name_a_later_layer(parse_layers: Any) -> None:
    layers = parse_layers(
        dense(name="third", inputs=["second"]),
        dense(name="second", inputs=["first"]),
        dense(name="first", inputs=["input"]),
        add("third", "first", name="sum"),
    )
    assert [name for name, _ in wired(layers)] == ["first", "second", "third", "sum"]


def test_the_listed_order_is_kept_where_possible(parse_layers: Any) -> None:
    """Of all topological orders, the one closest to the listed order."""
    layers = parse_layers(
        dense(name="d", inputs=["b"]),
        dense(name="c", inputs=["input"]),
        dense(name="b", inputs=["input"]),
        dense(name="a", inputs=["input"]),
        add("a", "c", "d", name="sum"),
    )
    assert [name for name, _ in wired(layers)] == ["c", "b", "d", "a", "sum"]


@given(data=st.data())
def test_order_is_topological_stable_and_ends_with_the_output(
    data: st.DataObject, networks: Any, parse_layers: Any
) -> None:
    layers = parse_layers(*data.draw(networks())[1])
    ordered = wire(layers)
    seen = {INPUT}
    for layer in ordered:
        assert seen.issuperset(layer.inputs or ())
        seen.add(str(layer.name))
    assert {layer.name for layer in ordered} == set(positions(layers))
    assert ordered[-1].name == list(positions(layers))[-1]
    assert wire(ordered) == ordered


def test_consumers_are_listed_once(parse_layers: Any) -> None:
    layers = wire(parse_layers(dense(), add("dense", "dense"), dense(inputs=["add"])))
    readers = consumers(layers)
    assert [layer.name for layer in readers["dense"]] == ["add"]
    assert [layer.name for layer in readers["dense_1"]] == []


@pytest.mark.parametrize(
    ("layers", "at", "cycle"),
    [
        ([dense(name="a", inputs=["a"])], 0, "a ← a"),
        (
            [
                dense(name="x"),
                add("x", "c", name="a"),
                dense(name="b", inputs=["a"]),
                dense(name="c", inputs=["b"]),
                dense(name="out"),
            ],
            1,
            "a ← c ← b ← a",
        ),
        (
            [
                add("in", "loop", name="before"),
                dense(name="in", inputs=["input"]),
                dense(),
                add("in", "loop", name="loop"),
                add("loop", "dense", "before"),
            ],
            3,
            "loop ← loop",
        ),
    ],
    ids=["itself", "three", "upstream"],
)
def test_a_cycle_is_rejected_with_its_layers(
    layers: list[dict[str, Any]], at: int, cycle: str, parse_layers: Any, faults_of: FaultsOf
) -> None:
    faults = faults_of(lambda: wire(parse_layers(*layers)))
    assert [(f.pointer, f.rule) for f in faults] == [(f"/model/layers/{at}/inputs", "acyclic")]
    assert faults[0].detail.endswith(f"the cycle {cycle}")


def test_unknown_inputs_are_all_named(parse_layers: Any, faults_of: FaultsOf) -> None:
    layers = parse_layers(dense(inputs=["nope"]), add("input", "dense", "gone"))
    faults = faults_of(lambda: wire(layers))
    assert [(fault.pointer, fault.rule) for fault in faults] == [
        ("/model/layers/0/inputs/0", "known-input"),
        ("/model/layers/1/inputs/2", "known-input"),
    ]
    assert "'nope'" in faults[0].detail


@pytest.mark.parametrize("layer", [add(*["gone"] * 700), dense(inputs=["input"])])
def test_very_many_faults_are_not_all_listed(
    layer: dict[str, Any], parse_layers: Any, faults_of: FaultsOf
) -> None:
    layers = parse_layers(*[layer] * 700)
    assert len(faults_of(lambda: wire(layers))) == MAX_FAULTS


def test_an_unused_layer_is_rejected(parse_layers: Any, faults_of: FaultsOf) -> None:
    layers = parse_layers(dense(), dense(inputs=["input"]), dense(inputs=["dense_1"]), dense())
    faults = faults_of(lambda: wire(layers))
    assert [(fault.pointer, fault.rule) for fault in faults] == [
        ("/model/layers/0", "unused-layer")
    ]
    assert "'dense'" in faults[0].detail
    assert "'dense_3'" in faults[0].detail


def test_a_layer_after_the_output_is_unused(parse_layers: Any, faults_of: FaultsOf) -> None:
    layers = parse_layers(dense(name="x", inputs=["out"]), dense(name="out", inputs=["input"]))
    (fault,) = faults_of(lambda: wire(layers))
    assert (fault.pointer, fault.rule) == ("/model/layers/0", "unused-layer")


@pytest.mark.parametrize(
    ("layer", "detail"),
    [
        (add(), "Add expects at least 2 inputs, received 0"),
        ({"type": "Concatenate"}, "Concatenate expects at least 2 inputs, received 1"),
        (dense(inputs=["input", "input"]), "Dense expects 1 input, received 2"),
        (dense(inputs=[]), "Dense expects 1 input, received 0"),
    ],
)
def test_a_wrong_number_of_inputs_is_rejected(
    layer: dict[str, Any], detail: str, parse_layers: Any, faults_of: FaultsOf
) -> None:
    (fault,) = faults_of(lambda: wire(parse_layers(layer)))
    assert (fault.pointer, fault.rule) == ("/model/layers/0/inputs", "arity")
    assert fault.detail == detail


def test_the_name_of_the_saved_models_scaling_is_reserved() -> None:
    """Otherwise the export would fail after training."""
    with pytest.raises(SpecError, match="feature_scaling"):
        wire([Dense(name="feature_scaling", units=1)])
