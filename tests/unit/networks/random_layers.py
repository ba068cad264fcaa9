"""Random layers of every type, alone or in networks."""

import json
import math
from collections.abc import Sequence

from hypothesis import strategies as st

from ridgeline.planning.graph import MAX_AXES, MAX_SOFTMAX_AXES
from ridgeline.spec.layers import LAYERS, Layer, Shape, ShapeError
from tests.unit.networks import sequence_layers, spatial_layers
from tests.unit.networks.spatial_layers import Arguments, Json

Network = tuple[Shape, list[Json]]

ARGUMENTS: dict[str, Arguments] = {**spatial_layers.ARGUMENTS, **sequence_layers.ARGUMENTS}
AXES = {**spatial_layers.AXES, **sequence_layers.AXES}
PARTNERS = {**spatial_layers.PARTNERS, **sequence_layers.PARTNERS}

#: Shapes of rows by their number of axes, pictures of three channels among them.
SHAPES_OF: dict[int, st.SearchStrategy[Shape]] = {
    1: st.tuples(st.integers(1, 12)),
    2: st.tuples(st.integers(1, 5), st.integers(1, 5)),
    3: st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
    | st.tuples(st.integers(2, 6), st.integers(2, 6), st.just(3)),
    4: st.tuples(*[st.integers(1, 5)] * 3, st.integers(1, 2)),
    5: st.tuples(st.integers(1, 3), *[st.integers(1, 2)] * 4),
}
SHAPES = st.one_of(*SHAPES_OF.values())
MOST_NUMBERS = 20_000


@st.composite
def lone_layer(draw: st.DrawFn, kind: str) -> Network:
    """An input shape with as many axes as the type expects, and one layer on it as JSON."""
    rank = AXES.get(kind)
    shape = draw(SHAPES if rank is None else SHAPES_OF[rank])
    inputs = ["input"] * LAYERS[kind].arity[0]
    return shape, [{"type": kind, "inputs": inputs, **draw(ARGUMENTS[kind](shape))}]


@st.composite
def random_network(
    draw: st.DrawFn, input_shape: Shape | None = None, *, fits: bool = False
) -> Network:
    """An input shape and layers of every type as JSON, in which every layer leads to the last.

    All shapes fit, except perhaps the last layer's (unless `fits`). Half of the networks omit
    inputs that equal the layer above; the others list their layers in any order.
    """
    shape = input_shape or draw(SHAPES)
    shapes: dict[str, Shape] = {"input": shape}
    layers: list[Json] = []
    for _ in range(draw(st.integers(1, 8))):
        layer = draw(random_layer(shapes))
        if _too_large(shapes, layer):
            continue
        if not _grow(shapes, layers, layer):
            if fits:
                continue
            layers.append(layer)
            break
    if not layers:
        _grow(shapes, layers, {"type": "Flatten", "inputs": ["input"]})
    _join(shapes, layers)
    if draw(st.booleans()):
        return shape, _terse(layers)
    return shape, [*draw(st.permutations(layers[:-1])), layers[-1]]


@st.composite
def random_layer(draw: st.DrawFn, shapes: dict[str, Shape]) -> Json:
    """A layer on top of those in `shapes`; it mostly fits."""
    names = list(shapes)
    source = draw(st.sampled_from([*names, *names[-1:] * len(names)]))
    anywhere = draw(st.integers(0, 19)) == 0
    rank = len(shapes[source])
    kinds = [kind for kind in LAYERS if anywhere or AXES.get(kind, rank) == rank]
    # Types that accept few shapes are rarely possible, so they are drawn more often where they are.
    kind = draw(st.sampled_from([*kinds, *[kind for kind in kinds if kind in AXES] * 3]))
    arguments = draw(ARGUMENTS[kind](shapes[source]))
    layer: Json = {"type": kind, "inputs": [source], **arguments}
    least, most = LAYERS[kind].arity
    if most != 1:
        partners = [n for n in names if anywhere or PARTNERS[kind](shapes[source], shapes[n])]
        several = st.lists(
            st.sampled_from(partners), min_size=least - 1, max_size=3 if most is None else most - 1
        )
        layer["inputs"] += draw(several)
    return layer


def _too_large(shapes: dict[str, Shape], layer: Json) -> bool:
    """Whether it has too many axes, or Keras would be slow to build it or a Dense on it."""
    try:
        shape = _parse(layer).output_shape(*(shapes[name] for name in layer["inputs"]))
    except ShapeError:
        return False
    softmax = "softmax" in (layer["type"].lower(), layer.get("activation"))
    most_axes = MAX_SOFTMAX_AXES if softmax else MAX_AXES
    return math.prod(shape) > MOST_NUMBERS or len(shape) > most_axes


def _parse(layer: Json) -> Layer:
    fields = {key: value for key, value in layer.items() if key != "inputs"}
    return LAYERS[layer["type"]].model_validate_json(json.dumps(fields))


def _grow(shapes: dict[str, Shape], layers: list[Json], layer: Json) -> bool:
    """Append `layer` under a new name if it fits."""
    layer["name"] = f"n{len(layers)}"
    try:
        inputs = (shapes[name] for name in layer["inputs"])
        shapes[layer["name"]] = _parse(layer).output_shape(*inputs)
    except ShapeError:
        return False
    layers.append(layer)
    return True


def _join(shapes: dict[str, Shape], layers: list[Json]) -> None:
    """Flatten and concatenate the loose ends, so that all layers lead to the last."""
    used = {name for layer in layers for name in layer["inputs"]}
    loose = [layer["name"] for layer in layers if layer["name"] not in used]
    if len(loose) == 1:
        return
    misfit = loose[-1] not in shapes
    ends: Sequence[str] = loose
    if not misfit:
        for name in loose:
            _grow(shapes, layers, {"type": "Flatten", "inputs": [name]})
        ends = [layer["name"] for layer in layers[-len(loose) :]]
    layers.append({"type": "Concatenate", "name": "joined", "inputs": list(ends)})


def _terse(layers: Sequence[Json]) -> list[Json]:
    above = ["input", *(layer["name"] for layer in layers)]
    return [
        {k: v for k, v in layer.items() if k != "inputs" or v != [before]}
        for layer, before in zip(layers, above, strict=False)
    ]
