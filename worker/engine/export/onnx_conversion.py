"""Converts a model to ONNX with tf2onnx, the converter that Keras's own export uses too.

Its parts are called one by one: as a whole it logs the operations that ONNX lacks, and writes a
file that nothing can load.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
from tf2onnx import optimizer
from tf2onnx.graph import Graph, Node
from tf2onnx.tfonnx import process_tf_graph

from ridgeline.planning.wiring import INPUT
from worker.engine.export.frozen import CannotHold, frozen_function

OPSET = 18
"""The newest that tf2onnx writes; of December 2022."""
OUTPUT = "output"
#: All of tf2onnx's but the one for Einsum, which tries every order of axes: 12 s for attention over
#: two axes.
OPTIMIZERS = {
    factory.__name__: factory
    for factory in (
        optimizer.TransposeOptimizer,
        optimizer.ConstFoldOptimizer,
        optimizer.LoopOptimizer,
        optimizer.MergeDuplicatedNodesOptimizer,
        optimizer.ReshapeOptimizer,
        optimizer.GlobalPoolOptimizer,
        optimizer.IdentityOptimizer,
        optimizer.BackToBackOptimizer,
    )
}


def to_onnx(model: keras.Model, *, as_it_is: bool = False) -> bytes:
    """`model` as an ONNX file. Raises CannotHold, naming an operation that ONNX lacks.

    `as_it_is` keeps TensorFlow's own operations and leaves out the optimizers.
    """
    function = frozen_function(model, as_it_is=as_it_is)
    (rows,), (predictions,) = function.inputs, function.outputs
    with tf.Graph().as_default() as graph, tf.device("/cpu:0"):
        tf.import_graph_def(function.graph.as_graph_def(add_shapes=True), name="")
        converted = process_tf_graph(
            graph,
            continue_on_error=True,
            opset=OPSET,
            input_names=[rows.name],
            output_names=[predictions.name],
            tensors_to_rename={rows.name: INPUT, predictions.name: OUTPUT},
            custom_op_handlers={"Erfc": (_erfc, []), "Expm1": (_expm1, [])},
        )
        if not as_it_is:
            converted = optimizer.optimize_graph(
                converted, catch_errors=False, optimizers=OPTIMIZERS
            )
    proto = converted.make_model("ridgeline")
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise CannotHold(str(error).partition("\n")[0]) from error
    content: bytes = proto.SerializeToString()
    return content


def _erfc(graph: Graph, node: Node, _name: str, _arguments: list[Any]) -> None:
    """Write erfc x (of gelu) as 1 − erf x."""
    _replace(graph, node, "Erf", lambda one, value: [one, value])


def _expm1(graph: Graph, node: Node, _name: str, _arguments: list[Any]) -> None:
    """Write expm1 x (of celu) as exp x − 1."""
    _replace(graph, node, "Exp", lambda one, value: [value, one])


def _replace(
    graph: Graph, node: Node, function: str, order: Callable[[str, str], list[str]]
) -> None:
    """Put `function` and a subtraction from or of 1 in the place of `node`."""
    (result,) = node.output
    shapes, dtypes = [graph.get_shape(result)], [graph.get_dtype(result)]
    value = graph.make_node(function, [node.input[0]], shapes=shapes, dtypes=dtypes).output[0]
    one = graph.make_const(f"{node.name}/one", np.ones([], np.float32)).output[0]
    graph.remove_node(node.name)
    graph.make_node(
        "Sub", order(one, value), outputs=[result], name=node.name, shapes=shapes, dtypes=dtypes
    )
