"""Random specs over the whole catalog: layers, masks, names, precision, training, outputs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ridgeline.planning.graph import build_graph
from ridgeline.planning.wiring import wire
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import Model
from ridgeline.spec.layers import LAYERS, Shape
from ridgeline.spec.layers.augmentation import Augmentation
from ridgeline.spec.training import LOSSES, OPTIMIZERS
from ridgeline.spec.training.losses import CLASS_METRICS, Loss
from tests.fuzz.names import renamed
from tests.unit.networks.random_layers import ARGUMENTS, MOST_NUMBERS, lone_layer, random_network
from tests.unit.networks.spatial_layers import BOOLEANS, RATES, Json

ROWS = 28
VOCABULARY = 9
AUGMENTATIONS = [kind for kind, layer in LAYERS.items() if issubclass(layer, Augmentation)]
OUTPUTS = ("weights", "saved_model", "litert", "onnx", "tensorboard")
SCALINGS = {
    "numbers": ["auto", "standard", "minmax", "none"],
    "pictures": ["auto", "standard", "minmax", "unit", "none"],
    "tokens": ["none"],
}
VALUE_METRICS = ("mean_squared_error", "mean_absolute_error", "r2_score", "log_cosh_error")
PENALTY = st.fixed_dictionaries({}, optional={"l1": st.just(1e-3), "l2": st.just(1e-2)})
CONSTRAINTS = st.sampled_from(
    [{"type": kind} for kind in ("MaxNorm", "UnitNorm", "NonNeg", "MinMaxNorm")]
)
POLICY = st.fixed_dictionaries(
    {},
    optional={
        "weights": PENALTY,
        "bias": PENALTY,
        "activity": PENALTY,
        "constraint": CONSTRAINTS,
        "dropout": st.fixed_dictionaries(
            {"rate": RATES}, optional={"after": st.just(["dense", "conv", "pooling"])}
        ),
    },
)
OPTIMIZER = st.fixed_dictionaries(
    {"name": st.sampled_from(sorted(OPTIMIZERS))},
    optional={
        "weight_decay": st.just(0.01),
        "clipnorm": st.just(1.0),
        "use_ema": BOOLEANS,
        "gradient_accumulation_steps": st.just(2),
    },
)


class Draft(NamedTuple):
    """A spec without its data set, and the rows to train on."""

    kind: str
    """`numbers`, `pictures` of bytes, or `tokens`."""
    shape: Shape
    classes: int | None
    dataset: Json
    """Options of the data set."""
    spec: Json

    def rows(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Features of shape (ROWS, *shape) and targets of shape (ROWS,), always the same."""
        generator = np.random.default_rng(5)
        if self.kind == "numbers":
            x: npt.NDArray[Any] = generator.normal(size=(ROWS, *self.shape)).astype("float32")
        elif self.kind == "pictures":
            x = generator.integers(0, 256, (ROWS, *self.shape)).astype("uint8")
        else:
            x = generator.integers(1, VOCABULARY, (ROWS, *self.shape)).astype("int32")
            lengths = generator.integers(1, self.shape[-1] + 1, ROWS)
            for row, length in zip(x, lengths, strict=True):
                row[..., length:] = 0
        if self.classes is None:
            return x, generator.normal(size=ROWS).astype("float32")
        return x, np.arange(ROWS) % self.classes


def drawn(seed: int, count: int) -> list[Draft]:
    """The `count` drafts of a seed, not all of which are valid specs."""
    drafts_of_seed: list[Draft] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=[*HealthCheck],
    )
    @given(drafts())
    def collect(draft: Draft) -> None:
        drafts_of_seed.append(draft)

    collect()
    return drafts_of_seed


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """A data set and a spec for it."""
    kind = draw(st.sampled_from(["numbers", "numbers", "pictures", "tokens", "tokens"]))
    shape, layers = draw({"tokens": _texts, "pictures": _pictures}.get(kind, _numbers)())
    classes = draw(st.sampled_from([None, 2, 3, 3]))
    loss = draw(st.sampled_from(_losses(classes)))
    head, from_logits = draw(_head(loss, classes, shape, layers))
    training = draw(_training(loss, classes, from_logits=from_logits))
    dataset = {
        "scaling": draw(st.sampled_from(SCALINGS[kind])),
        "loading": draw(st.sampled_from(["auto", "memory", "stream"])),
        "task": "regression" if classes is None else "classification",
    }
    spec = {
        "split": {"validation": draw(st.sampled_from([0.25, 0.25, 0.0])), "test": 0.25},
        "model": {"layers": draw(renamed([*layers, *head]))},
        "regularization": draw(st.just({}) | POLICY),
        "training": training,
        "outputs": ["keras", *draw(st.lists(st.sampled_from(OUTPUTS), max_size=2, unique=True))],
    }
    return Draft(kind, shape, classes, dataset, spec)


@st.composite
def _numbers(draw: st.DrawFn) -> tuple[Shape, list[Json]]:
    """Any layer of the catalog, then any network."""
    shape, (first,) = draw(lone_layer(draw(st.sampled_from(sorted(LAYERS)))))
    first["name"] = "f"
    after = _output_shape(shape, [first])
    if after is None or math.prod(after) > MOST_NUMBERS:
        shape, layers = draw(random_network(fits=True))
        return shape, _with_inputs(layers)
    _, network = draw(random_network(after, fits=True))
    return shape, [first, *_upon("f", network)]


@st.composite
def _pictures(draw: st.DrawFn) -> tuple[Shape, list[Json]]:
    """Augmentations, then any network."""
    side = st.integers(2, 6)
    shape: Shape = (draw(side), draw(side), draw(st.sampled_from([1, 3, 3])))
    layers: list[Json] = []
    current = shape
    for number, kind in enumerate(draw(st.lists(st.sampled_from(AUGMENTATIONS), max_size=3))):
        above = layers[-1]["name"] if layers else "input"
        layer = {"type": kind, "name": f"a{number}", "inputs": [above]}
        layer |= draw(ARGUMENTS[kind](current))
        after = _output_shape(shape, [*layers, layer])
        if after is not None:
            layers.append(layer)
            current = after
    _, network = draw(random_network(current, fits=True))
    return shape, [*layers, *_upon(layers[-1]["name"] if layers else "input", network)]


@st.composite
def _texts(draw: st.DrawFn) -> tuple[Shape, list[Json]]:
    """One or two Embeddings of the same tokens, masked or not, and any network upon them."""
    shape: Shape = (draw(st.integers(1, 6)),)
    width = draw(st.integers(1, 4))
    names = [f"e{number}" for number in range(draw(st.integers(1, 2)))]
    embeddings = [
        {
            "type": "Embedding",
            "name": name,
            "inputs": ["input"],
            "input_dim": VOCABULARY,
            "output_dim": width,
            "mask_zero": draw(st.sampled_from([True, True, True, False])),
        }
        for name in names
    ]
    _, network = draw(random_network((*shape, width), fits=True))
    network = _upon(names[0], network)
    if len(names) > 1:
        together = draw(st.sampled_from(["Add", "Average", "Maximum", "Multiply", "Concatenate"]))
        merged: Json = {"type": together, "name": "m", "inputs": names}
        if together == "Concatenate":
            merged["axis"] = 1
        both: list[Json] = [*embeddings, merged]
        grown = _output_shape(shape, both)
        _, network = draw(random_network(grown, fits=True))
        return shape, [*both, *_upon("m", network)]
    return shape, [*embeddings, *network]


def _upon(source: str, layers: Sequence[Json]) -> list[Json]:
    """The layers, all with inputs, upon `source` in place of the data."""
    return [
        layer | {"inputs": [source if name == "input" else name for name in layer["inputs"]]}
        for layer in _with_inputs(layers)
    ]


def _with_inputs(layers: Sequence[Json]) -> list[Json]:
    above = ["input", *(layer["name"] for layer in layers)]
    return [{"inputs": [before]} | layer for layer, before in zip(layers, above, strict=False)]


def _output_shape(shape: Shape, layers: Sequence[Json]) -> Shape | None:
    """The shape of the last layer's output; None if the layers do not fit."""
    model = Model.model_validate({"layers": layers}, strict=False)
    try:
        return build_graph(wire(model.layers), shape).output.shape
    except SpecError:
        return None


def _losses(classes: int | None) -> list[type[Loss]]:
    if classes is None:
        return [loss for loss in LOSSES.values() if loss.reads == "any"]
    binary = classes == 2
    return [loss for loss in LOSSES.values() if binary or loss.reads != "binary"]


@st.composite
def _head(
    draw: st.DrawFn, loss: type[Loss], classes: int | None, shape: Shape, layers: Sequence[Json]
) -> tuple[list[Json], bool]:
    """Layers that end in what the loss expects, and whether that is logits."""
    output = _output_shape(shape, layers) or (1,)
    last = layers[-1]["name"]
    pools: list[Json] = [{"type": "Flatten"}]
    if len(output) == 2:
        pools += [{"type": "GlobalAveragePooling1D"}, {"type": "GRU", "units": 2}]
    narrow = classes is None or (classes == 2 and loss.reads in ("binary", "any"))
    units = 1 if narrow and (classes is None or draw(BOOLEANS)) else classes
    from_logits = loss.takes_logits and draw(BOOLEANS)
    activation = None if from_logits else loss.activation
    if activation == "softmax" and units == 1:
        activation = "sigmoid"
    if activation is None and not from_logits and loss.activation is None:
        activation = draw(st.sampled_from(["linear", "tanh", "softplus"]))
    pool = draw(st.sampled_from(pools)) | {"name": "pooled", "inputs": [last]}
    dense: Json = {"type": "Dense", "name": "last", "units": units, "inputs": ["pooled"]}
    if activation is None or draw(BOOLEANS):
        return [pool, dense | {"activation": activation or "linear"}], from_logits
    final = {"type": "Activation", "name": "final", "activation": activation, "inputs": ["last"]}
    return [pool, dense, final], from_logits


@st.composite
def _training(draw: st.DrawFn, loss: type[Loss], classes: int | None, *, from_logits: bool) -> Json:
    metrics = sorted(CLASS_METRICS) if classes else VALUE_METRICS
    training: Json = {
        "loss": {"name": loss.model_fields["name"].default} | {"from_logits": from_logits},
        "optimizer": draw(OPTIMIZER),
        "epochs": draw(st.sampled_from([1, 1, 2])),
        "batch_size": draw(st.sampled_from([1, 5, 16, 64])),
        "precision": draw(st.sampled_from(["float32", "mixed_float16", "mixed_bfloat16"])),
        "metrics": draw(st.lists(st.sampled_from(metrics), max_size=1)),
        "seed": draw(st.integers(0, 3)),
    }
    if classes and draw(st.integers(0, 3)) == 0:
        training["class_weight"] = "balanced"
    return training


def layer_types(draft: Draft) -> set[str]:
    """The types of the layers in a draft, wrapped ones included."""
    kinds: set[str] = set()
    for layer in draft.spec["model"]["layers"]:
        kinds.add(layer["type"])
        if isinstance(layer.get("layer"), dict):
            kinds.add(layer["layer"]["type"])
    return kinds
