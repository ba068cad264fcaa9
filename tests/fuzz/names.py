"""Layer names that Keras may want for something else, and layers without a name."""

from collections.abc import Sequence

from hypothesis import strategies as st

from ridgeline.planning.wiring import positions
from ridgeline.spec.job_spec import Model
from ridgeline.spec.layers import LAYERS
from ridgeline.spec.layers.base import snake_case
from tests.unit.networks.spatial_layers import Json

#: Operations that Keras adds to a graph when it computes a mask.
OF_MASKS = (
    *("not_equal", "any", "all", "logical_or", "logical_and", "concatenate", "concatenate_1"),
    *("expand_dims", "ones_like", "broadcast_to", "cast", "reshape", "stack", "where", "equal"),
    *("squeeze", "transpose", "repeat", "get_item", "not_equal_1", "not_equal_3", "any_1"),
)
#: Attributes of a model, tensors, and what a file or an export has for itself.
OF_KERAS = (
    *("model", "functional", "sequential", "layers", "loss", "metrics", "name", "call", "self"),
    *(
        "add",
        "multiply",
        "matmul",
        "sum",
        "max",
        "mean",
        "input_layer",
        "input_1",
        "Input",
        "INPUT",
    ),
    *("keras_tensor", "serving_default", "output", "x", "vars", "None", "feature_scaling_1"),
    *("seed_generator", "optimizer", "adam", "kernel", "dense.kernel", "a-b", "a.b", "Z" * 63),
)
DEFAULTS = tuple(f"{snake_case(kind)}{end}" for kind in LAYERS for end in ("", "_1", "_2"))
NAMES = st.sampled_from(OF_MASKS) | st.sampled_from(OF_KERAS) | st.sampled_from(DEFAULTS)


@st.composite
def renamed(draw: st.DrawFn, layers: Sequence[Json]) -> list[Json]:
    """The layers, all named, under other names; some without one, which then get Keras's own."""
    new: dict[str, str | None] = {}
    for layer in layers:
        name = draw(st.none() | NAMES | st.just(layer["name"]))
        new[layer["name"]] = layer["name"] if name in new.values() else name
    changed = [
        {key: value for key, value in layer.items() if key not in ("name", "inputs")}
        | ({} if new[layer["name"]] is None else {"name": new[layer["name"]]})
        for layer in layers
    ]
    final = dict(zip((layer["name"] for layer in layers), _wired_names(changed), strict=True))
    return [
        layer | {"inputs": [final.get(name, name) for name in before["inputs"]]}
        if "inputs" in before
        else layer
        for layer, before in zip(changed, layers, strict=True)
    ]


def _wired_names(layers: Sequence[Json]) -> list[str]:
    return list(positions(Model.model_validate({"layers": layers}, strict=False).layers))
