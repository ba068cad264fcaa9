"""Estimates of the memory that training needs, by integer arithmetic."""

from ridgeline.planning.graph import BYTES_PER_NUMBER, Graph
from ridgeline.spec.dataset import DatasetShape
from ridgeline.spec.training import Optimizer

EVALUATION_BYTES = 64 * 2**20
MOST_EVALUATED = 1024
BLOCK_BYTES = 64 * 2**20
"""Bytes of streamed rows to read at once."""


def memory_bytes(
    graph: Graph,
    data: DatasetShape,
    *,
    batch_size: int,
    optimizer: Optimizer,
    stream: bool,
    archived: bool,
) -> int:
    """Estimate the memory for training: data, weights, gradients, optimizer state, activations.

    All numbers are float32, except the rows, which keep the data's type: all rows or, if they
    `stream`, the block in use and the next one. Activations are those of a training batch, forward
    and as gradients, or those of an evaluation batch, forward only, whichever are more. Gradients
    and activations are freed before the model is `archived` as `model.keras`, when Keras copies
    weights and optimizer state in memory.
    """
    parameters = graph.parameters
    held = parameters.total + optimizer_numbers(graph, optimizer)
    evaluated = min(evaluation_rows(graph, batch_size=batch_size), data.all_rows)
    activations = max(2 * min(batch_size, data.rows), evaluated) * graph.activations
    transient = max(parameters.trainable + activations, held if archived else 0)
    rows = data.all_rows
    if stream:
        rows = min(rows, 2 * block_rows(data.row_bytes, batch_size=batch_size))
    return BYTES_PER_NUMBER * (held + transient) + rows * data.row_bytes


def block_rows(row_bytes: int, *, batch_size: int) -> int:
    """Number of streamed rows to read at once: whole batches of about BLOCK_BYTES, at least one."""
    return max(1, BLOCK_BYTES // (row_bytes * batch_size)) * batch_size


def evaluation_rows(graph: Graph, *, batch_size: int) -> int:
    """Number of rows to evaluate at once: twice the batch, or more if they fit EVALUATION_BYTES.

    Without gradients, twice the batch needs the memory of a training step.
    """
    affordable = EVALUATION_BYTES // (BYTES_PER_NUMBER * graph.activations)
    return max(2 * batch_size, min(affordable, MOST_EVALUATED))


def optimizer_numbers(graph: Graph, optimizer: Optimizer) -> int:
    """Size of the optimizer's state in numbers."""
    return sum(
        optimizer.numbers(f"{node.name}/{weight.name}", weight.shape)
        for node in graph.nodes
        for weight in node.weights
        if weight.trainable
    )
