"""Rows whose loss is not finite whatever the learning rate: which ones, and why."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ridgeline.planning.graph import Node
from ridgeline.planning.memory import evaluation_rows
from ridgeline.planning.resolve import Resolution
from ridgeline.spec.layers.pooling import GlobalAveragePooling1D
from worker.engine.data import Data, Part
from worker.engine.model import Network
from worker.engine.objective import build_loss
from worker.engine.passes import decoding, row_spec

Numbers = npt.NDArray[Any]
_NAMED = 5
"""Most rows that a message names."""
_KINDS = {"train": "training", "validation": "validation", "test": "test"}


class _BadRow(NamedTuple):
    """A row of a part of the split whose loss or prediction is not finite."""

    part: str
    number: int
    """In the data set, counted from 0, as in split.npz."""
    x: Numbers
    """Features as stored."""
    y: Numbers
    """The encoded target."""


def describe_bad_rows(
    network: Network, resolution: Resolution, data: Data, parts: Sequence[str]
) -> str | None:
    """Name the rows of `parts` whose loss is not finite with the network's weights; None if none.

    The rows are measured one by one, in inference mode. With initial weights a bad row is a fault
    of the data or the network, and no lower learning rate helps.
    """
    bad = [row for part in parts for row in _bad_rows(network, resolution, data, part)]
    if not bad:
        return None
    first, total = bad[0], sum(_part(data, part).rows for part in parts)
    named = ", ".join(str(row.number) for row in bad[:_NAMED])
    others = f" (rows {named}{', …' if len(bad) > _NAMED else ''})" if bad[1:] else ""
    measured = " and ".join(_KINDS[part] for part in parts)
    return (
        f"the loss of {len(bad)} of {total} {measured} rows{others} is infinite or NaN. Row"
        f" {first.number} (a {_KINDS[first.part]} row; rows count from 0, without a header, as in"
        " split.npz):"
        f" {_cause(network, resolution, data, first)}"
    )


def _bad_rows(network: Network, resolution: Resolution, data: Data, name: str) -> Iterator[_BadRow]:
    part, loss, decode = (
        _part(data, name),
        build_loss(resolution.spec.training.loss),
        decoding(data),
    )
    loss.reduction = None
    size = evaluation_rows(network.graph, batch_size=resolution.spec.training.batch_size)

    def finite(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        prediction = network.predict(decode(x))
        of_prediction = tf.reduce_all(tf.math.is_finite(prediction), axis=-1)
        return of_prediction & tf.math.is_finite(tf.reshape(loss(y, prediction), [-1]))

    compiled = tf.function(finite, autograph=False, input_signature=tuple(row_spec(part)))
    for start in range(0, part.rows, size):
        x, y = part.x[start : start + size], part.y[start : start + size]
        for index in np.flatnonzero(~compiled(tf.constant(x), tf.constant(y)).numpy()):
            yield _BadRow(name, int(data.indices[name][start + index]), x[index], y[index])


def _part(data: Data, name: str) -> Part:
    return {"train": data.train, "validation": data.validation, "test": data.test}[name]


def _cause(network: Network, resolution: Resolution, data: Data, row: _BadRow) -> str:
    """Why the row's loss is not finite, and what to do."""
    x = decoding(data)(tf.constant(row.x[np.newaxis]))
    node, values = _first_not_finite(network, x)
    if node is None:
        return (
            f"{resolution.spec.training.loss.name} is not finite for the prediction"
            f" {_short(values)} and the target {_short(row.y)}; correct or remove it, scale the"
            " data, or use a loss that suits it."
        )
    if isinstance(node.layer, GlobalAveragePooling1D) and np.isnan(values).any():
        return (
            f"all steps of its sequence are padding, and {node.name!r} (GlobalAveragePooling1D)"
            " divides by the number of the other steps, 0; fill or remove such rows, or set the"
            " Embedding's mask_zero to false."
        )
    return (
        f"the layer {node.name!r} ({node.layer.type_name()}) has an output that is not finite for"
        f" features from {np.min(x):.4g} to {np.max(x):.4g}; correct or remove the row, scale the"
        " data, or change the layer."
    )


def _first_not_finite(network: Network, x: tf.Tensor) -> tuple[Node | None, Numbers]:
    """The first layer whose output is not finite, with it; or None with the prediction."""
    nodes = [node for node in network.graph.nodes if node.name in network.layers]
    traced = keras.Model(network.model.input, [network.layers[n.name].output for n in nodes])
    outputs = [np.asarray(output) for output in keras.tree.flatten(traced(x, training=False))]
    for node, output in zip(nodes, outputs, strict=True):
        if not _is_finite(output):
            return node, output
    return None, outputs[-1]


def _is_finite(values: Any) -> bool:
    return bool(np.isfinite(np.asarray(values, np.float32)).all())


def _short(values: Numbers) -> str:
    flat = np.reshape(values, -1)
    listed = ", ".join(f"{value:.4g}" for value in flat[:_NAMED])
    return f"{listed}, …" if len(flat) > _NAMED else listed
