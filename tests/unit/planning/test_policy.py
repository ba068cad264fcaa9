"""What the regularization policy does to wired layers."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeline.planning.graph import build_graph
from ridgeline.planning.policy import apply_policy, penalty_terms
from ridgeline.planning.wiring import consumers, wire
from ridgeline.spec.layers import Layer, Shape, Weight
from ridgeline.spec.regularization.constraints import MaxNorm
from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.regularization.regularizers import WeightPenalty

DENSE = {"type": "Dense", "units": 4, "activation": "relu"}
CONV = {"type": "Conv2D", "filters": 2, "kernel_size": 3}
RELU = {"type": "Activation", "activation": "relu"}
NORM = {"type": "BatchNormalization"}
POOL = {"type": "MaxPooling2D"}
FLAT = {"type": "Flatten"}
COLUMN = {"type": "Reshape", "target_shape": [4, 1]}
DROP = {"type": "Dropout", "rate": 0.5}
HEAD = {"type": "Dense", "units": 10, "activation": "softmax"}
L2 = {"l2": 0.1}

Apply = Callable[..., tuple[Layer, ...]]


@pytest.fixture
def apply(parse_layers: Any) -> Apply:
    """Wire layers and apply a policy to them."""

    def run(*layers: dict[str, Any], **policy: Any) -> tuple[Layer, ...]:
        return applied(wire(parse_layers(*layers)), policy)

    return run


def applied(layers: Sequence[Layer], policy: dict[str, Any]) -> tuple[Layer, ...]:
    weightless: dict[str, tuple[Weight, ...]] = {str(layer.name): () for layer in layers}
    return apply_policy(layers, Regularization.model_validate(policy, strict=False), weightless)


def flow(layers: Sequence[Layer]) -> list[str]:
    """`name ← input, input` for every layer."""
    return [f"{layer.name} ← {', '.join(layer.inputs or ())}" for layer in layers]


def dropout_sites(layers: Sequence[Layer]) -> list[str]:
    """The layers that the policy's dropout goes after."""
    return [
        (layer.inputs or ("",))[0]
        for layer in layers
        if layer.type_name() == "Dropout" and getattr(layer, "rate", 0) == 0.3
    ]


def dropout(*after: str) -> dict[str, Any]:
    return {"rate": 0.3, "after": list(after or ("dense",))}


# Weight penalties --------------------------------------------------------------------------------


def regularizers(layers: Sequence[Layer]) -> list[tuple[Any, Any]]:
    return [
        (getattr(layer, "kernel_regularizer", "-"), getattr(layer, "bias_regularizer", "-"))
        for layer in layers
    ]


def test_weights_apply_to_every_kernel_including_the_output(apply: Apply) -> None:
    layers = apply(CONV, NORM, FLAT, DENSE, HEAD, weights=L2)
    policy = WeightPenalty(l2=0.1)
    assert regularizers(layers) == [
        (policy, None),
        ("-", "-"),
        ("-", "-"),
        (policy, None),
        (policy, None),
    ]


def test_bias_is_separate_from_weights(apply: Apply) -> None:
    layers = apply(CONV, FLAT, HEAD, bias={"l1": 0.2})
    policy = WeightPenalty(l1=0.2)
    assert regularizers(layers) == [(None, policy), ("-", "-"), (None, policy)]


def test_a_layers_own_regularizer_takes_precedence(apply: Apply) -> None:
    own = DENSE | {"kernel_regularizer": {"l1": 0.5}}
    none = DENSE | {"kernel_regularizer": None}
    layers = apply(own, none, HEAD, weights=L2, bias=L2)
    policy = WeightPenalty(l2=0.1)
    assert regularizers(layers) == [
        (WeightPenalty(l1=0.5), policy),
        (None, policy),
        (policy, policy),
    ]


def test_no_policy_means_no_penalty(apply: Apply) -> None:
    assert regularizers(apply(DENSE, HEAD)) == [(None, None), (None, None)]


def test_a_penalty_on_a_missing_bias_is_no_term(apply: Apply) -> None:
    (layer,) = apply(HEAD | {"use_bias": False}, weights={"l1": 0.1, "l2": 0.2}, bias=L2)
    terms = penalty_terms(layer, layer.weights((4,)), batch_size=8, rows=100)
    assert [term.key for term in terms] == ["dense/kernel/l1", "dense/kernel/l2"]
    assert [term.strength for term in terms] == [0.1, 0.2]


# Dropout -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "after", "expected"),
    [
        ([DENSE, DENSE, HEAD], ["dense"], ["dense", "dense_1"]),
        ([CONV, POOL, FLAT, DENSE, HEAD], ["dense"], ["dense"]),
        ([CONV, POOL, CONV, FLAT, HEAD], ["pooling"], ["max_pooling2d"]),
        ([CONV, POOL, FLAT, HEAD], ["conv"], ["conv2d"]),
        (
            [CONV, POOL, CONV, FLAT, DENSE, HEAD],
            ["dense", "pooling", "conv"],
            ["conv2d", "max_pooling2d", "flatten", "dense"],
        ),
        (
            [CONV, {"type": "AveragePooling2D"}, CONV, FLAT, HEAD],
            ["pooling"],
            ["average_pooling2d"],
        ),
        (
            [CONV, {"type": "GlobalAveragePooling2D"}, HEAD],
            ["pooling"],
            ["global_average_pooling2d"],
        ),
        ([NORM, RELU, FLAT, HEAD], ["dense", "pooling", "conv"], []),
    ],
)
def test_dropout_goes_after_the_named_families(
    layers: list[dict[str, Any]], after: list[str], expected: list[str], apply: Apply
) -> None:
    assert dropout_sites(apply(*layers, dropout=dropout(*after))) == expected


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([DENSE, RELU, HEAD], ["activation"]),
        ([DENSE, NORM, RELU, HEAD], ["activation"]),
        ([DENSE, NORM, HEAD], ["batch_normalization"]),
        ([DENSE, COLUMN, FLAT, HEAD], ["flatten"]),
        ([DENSE, POOL, HEAD], ["dense"]),
    ],
)
def test_dropout_goes_after_activation_normalization_and_reshaping(
    layers: list[dict[str, Any]], expected: list[str], apply: Apply
) -> None:
    assert dropout_sites(apply(*layers, dropout=dropout())) == expected


@pytest.mark.parametrize(
    "output",
    [
        [HEAD],
        [DENSE, RELU],
        [DENSE, NORM, RELU],
        [DENSE, COLUMN],
        [DENSE, COLUMN, FLAT, RELU],
        [DENSE, DROP],
        [DENSE, RELU, DROP, RELU],
    ],
)
def test_dropout_never_goes_after_the_output(output: list[dict[str, Any]], apply: Apply) -> None:
    assert dropout_sites(apply(*output, dropout=dropout())) == []
    assert dropout_sites(apply(HEAD | {"name": "hidden"}, *output, dropout=dropout())) == ["hidden"]


@pytest.mark.parametrize(
    "dropped", [[DROP], [RELU, DROP], [NORM, RELU, {"type": "Dropout", "rate": 0.0}]]
)
def test_dropout_is_not_doubled(dropped: list[dict[str, Any]], apply: Apply) -> None:
    layers = apply(DENSE, *dropped, DENSE, HEAD, dropout=dropout())
    assert dropout_sites(layers) == ["dense_1"]


def test_spatial_dropout_counts_as_dropout(apply: Apply) -> None:
    spatial = {"type": "SpatialDropout2D", "rate": 0.1}
    assert dropout_sites(apply(CONV, spatial, FLAT, HEAD, dropout=dropout("conv"))) == []


def test_consumers_read_the_dropout(apply: Apply) -> None:
    layers = apply(DENSE, DROP, DENSE, RELU, DENSE, HEAD, dropout=dropout())
    assert flow(layers) == [
        "dense ← input",
        "dropout ← dense",
        "dense_1 ← dropout",
        "activation ← dense_1",
        "dropout_1 ← activation",
        "dense_2 ← dropout_1",
        "dropout_2 ← dense_2",
        "dense_3 ← dropout_2",
    ]


def test_names_given_by_the_user_are_kept(apply: Apply) -> None:
    layers = apply(DENSE | {"name": "dropout"}, DENSE, HEAD, dropout=dropout())
    assert [layer.name for layer in layers] == [
        "dropout",
        "dropout_1",
        "dense",
        "dropout_2",
        "dense_1",
    ]


def named(name: str, *inputs: str, **fields: Any) -> dict[str, Any]:
    return DENSE | {"name": name, "inputs": list(inputs), **fields}


def add(name: str, *inputs: str) -> dict[str, Any]:
    return {"type": "Add", "name": name, "inputs": list(inputs)}


def test_both_branches_of_a_residual_block_read_the_dropout(apply: Apply) -> None:
    """All consumers of the layer, including the shortcut."""
    layers = apply(
        named("a", "input"), named("b", "a"), add("sum", "a", "b"), HEAD, dropout=dropout()
    )
    assert flow(layers) == [
        "a ← input",
        "dropout ← a",
        "b ← dropout",
        "dropout_1 ← b",
        "sum ← dropout, dropout_1",
        "dense ← sum",
    ]


def test_an_activation_after_a_merge_is_not_part_of_the_layer(apply: Apply) -> None:
    layers = apply(
        named("a", "input"),
        named("b", "input"),
        add("sum", "a", "b"),
        RELU,
        HEAD,
        dropout=dropout(),
    )
    assert dropout_sites(layers) == ["a", "b"]


def test_no_dropout_goes_after_a_shortcut_into_the_output(apply: Apply) -> None:
    """Dropout after `a` or after `b` would drop predictions."""
    layers = apply(named("a", "input"), named("b", "a"), add("sum", "a", "b"), dropout=dropout())
    assert dropout_sites(layers) == []


def test_a_branch_that_drops_already_gets_no_dropout(apply: Apply) -> None:
    layers = apply(
        named("a", "input"),
        DROP | {"name": "own", "inputs": ["a"]},
        named("b", "own"),
        add("sum", "a", "b"),
        HEAD,
        dropout=dropout(),
    )
    assert dropout_sites(layers) == ["b"]


POLICIES = st.builds(
    lambda after, weights: {"dropout": dropout(*after), "weights": weights},
    st.lists(st.sampled_from(["dense", "pooling", "conv"]), min_size=1, unique=True),
    st.none() | st.just(L2),
)


@given(data=st.data(), policy=POLICIES)
def test_dropout_in_random_networks(
    data: st.DataObject, policy: dict[str, Any], networks: Any, parse_layers: Any
) -> None:
    shape, listed = data.draw(networks(fits=True))
    before = wire(parse_layers(*listed))
    after = applied(before, policy)

    added = {
        str(layer.name): (layer.inputs or ("",))[0]
        for layer in after
        if layer.name not in {other.name for other in before}
    }
    assert len(set(added.values())) == len(added), "one dropout after a layer"
    # Short-circuited, the graph is the one it was.
    assert [
        (layer.name, tuple(added.get(name, name) for name in layer.inputs or ()))
        for layer in after
        if layer.name not in added
    ] == [(layer.name, layer.inputs) for layer in before]
    # Everything that takes a site takes its dropout instead.
    readers = consumers(after)
    for name, site in added.items():
        assert [layer.name for layer in readers[site]] == [name]
        assert not any(layer.drops for layer in readers[name])
        assert _meets_weights(name, readers)
    assert wire(after) == after
    assert build_graph(after, shape).parameters == build_graph(before, shape).parameters


def _meets_weights(name: str, readers: Any) -> bool:
    """Whether all paths from `name` to the output pass a layer that is more than a reshaping."""
    followers = readers[name]
    return bool(followers) and all(
        not layer.follows or _meets_weights(layer.name, readers) for layer in followers
    )


def test_deep_and_braided_networks_take_linear_time(apply: Apply) -> None:
    """Neither the recursion limit nor 2³³ paths matter."""
    braid = [named("a", "input")]
    for number, before in enumerate(["a", *(f"s{n}" for n in range(332))]):
        braid += [
            RELU | {"name": f"r{number}", "inputs": [before]},
            add(f"s{number}", before, f"r{number}"),
        ]
    assert dropout_sites(apply(*braid, dropout=dropout())) == []
    assert dropout_sites(apply(DENSE, *[RELU] * 700, dropout=dropout())) == []
    assert dropout_sites(apply(DENSE, *[RELU] * 700, HEAD, dropout=dropout())) == ["activation_699"]


@pytest.mark.parametrize(
    ("layer", "shape", "argument", "axis"),
    [
        ({"type": "Conv2D", "filters": 2, "kernel_size": 3}, (5, 5, 4), "kernel", (0, 1, 2)),
        (
            {"type": "Conv2DTranspose", "filters": 2, "kernel_size": 3},
            (5, 5, 4),
            "kernel",
            (0, 1, 3),
        ),
        ({"type": "DepthwiseConv2D", "kernel_size": 3}, (5, 5, 4), "depthwise", (0, 1)),
        (
            {"type": "SeparableConv1D", "filters": 2, "kernel_size": 3},
            (5, 4),
            "pointwise",
            (0, 1),
        ),
        (
            {"type": "EinsumDense", "equation": "abc,dcb->ad", "output_shape": 3},
            (5, 4),
            "kernel",
            (1, 2),
        ),
    ],
)
def test_the_policys_norms_are_over_the_inputs_of_each_unit(
    layer: dict[str, Any], shape: Shape, argument: str, axis: tuple[int, ...], parse_layers: Any
) -> None:
    (node,) = build_graph(wire(parse_layers(layer)), shape).nodes
    policy = Regularization(constraint=MaxNorm(max_value=3.0))
    filled = node.layer.with_policy(policy, node.weights)
    assert getattr(filled, f"{argument}_constraint") == MaxNorm(max_value=3.0, axis=axis)


def test_the_policy_does_not_constrain_units_of_one_weight(parse_layers: Any) -> None:
    layer = {"type": "EinsumDense", "equation": "ab,b->ab", "output_shape": 4}
    (node,) = build_graph(wire(parse_layers(layer)), (4,)).nodes
    filled = node.layer.with_policy(Regularization(constraint=MaxNorm()), node.weights)
    assert "kernel_constraint" in type(filled).model_fields
    assert filled.model_dump()["kernel_constraint"] is None
