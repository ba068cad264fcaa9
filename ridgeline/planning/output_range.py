"""What values the output can have: its activation, and the range of it."""

import math
from typing import NamedTuple

from ridgeline.planning.graph import Graph, Node
from ridgeline.spec.dataset import BuiltinDataset, Dataset, UploadDataset
from ridgeline.spec.dataset.provided import KerasHousing
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.activation import ELU, LeakyReLU, ReLU
from ridgeline.spec.layers.wrapper import Wrapper


class Range(NamedTuple):
    """The lowest and the highest value, or what values come arbitrarily near to."""

    low: float
    high: float


_ANY = Range(-math.inf, math.inf)
_NOT_NEGATIVE = Range(0, math.inf)
_UNIT = Range(0, 1)
_SIGNED_UNIT = Range(-1, 1)
#: By activation; one that is not listed gives any number.
_RANGES = {
    **dict.fromkeys(
        ("relu", "softplus", "squareplus", "sparse_plus", "exponential"), _NOT_NEGATIVE
    ),
    **dict.fromkeys(("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax", "sparsemax"), _UNIT),
    **dict.fromkeys(("tanh", "hard_tanh", "softsign"), _SIGNED_UNIT),
    **dict.fromkeys(("log_sigmoid", "log_softmax"), Range(-math.inf, 0)),
    **dict.fromkeys(("elu", "celu"), Range(-1, math.inf)),
    "relu6": Range(0, 6),
    "selu": Range(-1.7581, math.inf),
    "gelu": Range(-0.17, math.inf),
    "silu": Range(-0.2785, math.inf),
    "mish": Range(-0.3089, math.inf),
    "hard_silu": Range(-0.375, math.inf),
}
_NORMALIZED = frozenset({"softmax", "sparsemax", "log_softmax"})
"""Activations over all units, which are the same number for any single unit."""
_GATED = frozenset({"LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
"""Layers whose output is an activation times a gate."""
#: Activations by the layer that applies them.
_ACTIVATION_LAYERS = {
    "ELU": "elu",
    "LeakyReLU": "leaky_relu",
    "PReLU": "prelu",
    "ReLU": "relu",
    "Softmax": "softmax",
}
_KEEPS_VALUES = frozenset(
    {"ActivityRegularization", "Flatten", "Identity", "Permute", "RepeatVector", "Reshape"}
)
#: Targets of the sets in Keras and scikit-learn that are real values.
_DIABETES = Range(25, 346)
_HOUSING = Range(14_999, 500_001)


def output_activation(graph: Graph) -> str | None:
    """The activation that gives the output; None if it is unknown."""
    return _activation(_source(graph).layer)


def output_range(graph: Graph) -> Range | None:
    """The range of the output's values; None if it is unknown."""
    layer = _source(graph).layer
    activation = _activation(layer)
    if activation is None or getattr(layer, "merge_mode", None) == "sum":
        return None
    span = _own_range(layer) or _RANGES.get(activation, _ANY)
    if layer.type_name() in _GATED:
        span = Range(min(span.low, 0), max(span.high, 0))
    return span


def is_constant(graph: Graph) -> bool:
    """Whether the output is a softmax, or the like, over one unit: 1 in every row, or 0."""
    source = _source(graph)
    if source.layer.type_name() in _GATED or source.shape[-1] != 1:
        return False
    return _activation(source.layer) in _NORMALIZED


def target_range(dataset: Dataset) -> Range | None:
    """The range of the real-valued target of a spelled-out data set; None if it is unknown."""
    if isinstance(dataset, BuiltinDataset):
        return _DIABETES if dataset.name == "diabetes" else None
    if isinstance(dataset, KerasHousing):
        return _HOUSING
    if not isinstance(dataset, UploadDataset) or dataset.task != "regression":
        return None
    stored = dataset.stored
    if stored is None:
        return None
    name = dataset.target
    spans = [(each.minimum, each.maximum) for each in stored.columns or () if each.name == name]
    spans += [
        (each.minimum, each.maximum)
        for each in stored.arrays or ()
        if (each.stem or each.name) == name
    ]
    known = [Range(low, high) for low, high in spans if low is not None and high is not None]
    if not known:
        return None
    return Range(min(span.low for span in known), max(span.high for span in known))


def _source(graph: Graph) -> Node:
    """The layer whose values the output has: layers after it only drop or reshape."""
    nodes = {node.name: node for node in graph.nodes}
    node = graph.output
    while node.layer.drops or node.layer.type_name() in _KEEPS_VALUES:
        before = nodes.get((node.layer.inputs or ("",))[0])
        if before is None:
            return node
        node = before
    return node


def _activation(layer: Layer) -> str | None:
    if isinstance(layer, Wrapper):
        return _activation(layer.layer)
    named: str | None = getattr(layer, "activation", None)
    return named or _ACTIVATION_LAYERS.get(layer.type_name())


def _own_range(layer: Layer) -> Range | None:
    """The range of an activation layer, by its arguments."""
    if isinstance(layer, Wrapper):
        return _own_range(layer.layer)
    if isinstance(layer, ELU):
        return Range(-layer.alpha, math.inf)
    if isinstance(layer, LeakyReLU):
        return _ANY if layer.negative_slope else _NOT_NEGATIVE
    if isinstance(layer, ReLU):
        high = math.inf if layer.max_value is None else layer.max_value
        return Range(-math.inf, high) if layer.negative_slope else Range(0, high)
    return None
