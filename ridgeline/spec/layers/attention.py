"""Attention over (time, features): query, value and, if it differs from the value, key."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import model_validator

from ridgeline.spec.layers.base import (
    Layer,
    MaskUse,
    Shape,
    ShapeError,
    Weight,
    expect_rank,
    render,
)
from ridgeline.spec.layers.kernel import KernelLayer
from ridgeline.spec.schema import PositiveInt, Rate


class _Attention(Layer):
    """For each query position, a mean of the values, weighted by query-key scores."""

    dropout: Rate = 0.0
    """Dropout rate of the attention weights."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """(queries, features), (values, width)[, keys] → (queries, width)."""
        query, value, key = three(self, inputs)
        if query[-1] != key[-1]:
            raise ShapeError(
                f"{self.type_name()} expects queries and keys with the same number of features,"
                f" received {render(query)} and {render(key)}"
            )
        return (query[0], value[1])

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """Masked values get no weight; the query's mask is passed on."""
        del inputs
        return "passed" if masked[0] else "used"

    def multiply_adds(self, *inputs: Shape) -> int:
        """Scores and means."""
        query, value, _ = three(self, inputs)
        return query[0] * value[0] * (query[1] + value[1])

    def activations(self, *inputs: Shape) -> int:
        """Scores, attention weights and output."""
        query, value, _ = three(self, inputs)
        return query[0] * (2 * value[0] + value[1])


class Attention(_Attention):
    """softmax(query·keyᵀ)·value (Luong et al., 2015)."""

    type: Literal["Attention"] = "Attention"
    use_scale: bool = False
    """Whether to multiply the scores by one trained number."""
    score_mode: Literal["dot", "concat"] = "dot"

    arity = (2, 3)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Two optional scalars, `scale` and `concat_score_weight`."""
        del inputs
        scale = (Weight("scale", ()),) if self.use_scale else ()
        concat = (Weight("concat_score_weight", ()),) if self.score_mode == "concat" else ()
        return scale + concat

    def activations(self, *inputs: Shape) -> int:
        """As usual; with `concat` also every pair of query and key."""
        query, value, _ = three(self, inputs)
        pairs = query[0] * value[0] * query[1] if self.score_mode == "concat" else 0
        return pairs + super().activations(*inputs)


class AdditiveAttention(_Attention):
    """softmax(Σ scale·tanh(query + key))·value (Bahdanau et al., 2015)."""

    type: Literal["AdditiveAttention"] = "AdditiveAttention"
    use_scale: bool = True
    """Whether to weight the sum by a trained vector."""

    arity = (2, 3)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """`scale`: one number per feature."""
        return (Weight("scale", inputs[0][-1:]),) if self.use_scale else ()

    def activations(self, *inputs: Shape) -> int:
        """As usual, and every pair of query and key."""
        query, value, _ = three(self, inputs)
        return query[0] * value[0] * query[1] + super().activations(*inputs)


class _Heads(KernelLayer):
    """Attention by several heads, each with its own projections, joined by an output projection.

    A single input is query, value and key at once: self-attention. Penalties and constraints apply
    to every projection.
    """

    dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    sliding_window: PositiveInt | None = None
    """How far a position attends, itself included: |i − j| < sliding_window."""
    use_gate: bool = False
    """Whether a sigmoid of the query scales the heads' output (Qiu et al., 2025)."""

    arity = (1, 3)
    inputs_as: ClassVar[Literal["list", "arguments"]] = "arguments"

    def projections(self, query: Shape, value: Shape, key: Shape) -> dict[str, tuple[int, Shape]]:
        """Input features and output shape of each projection, in Keras's order."""
        raise NotImplementedError

    def output_shape(self, *inputs: Shape) -> Shape:
        """The query's shape, (queries, features)."""
        return three(self, inputs)[0]

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """Masked keys and values get no weight; the query's mask is passed on."""
        del inputs
        return "passed" if masked[0] else "used"

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """A kernel and a bias of `query`, `key`, `gate`, `value` and `attention_output`."""
        query, value, key = three(self, inputs)
        weights: list[Weight] = []
        for name, (features, shape) in self.projections(query, value, key).items():
            weights += self._projection(name, (features, *shape), shape, inputs=1)
        heads = self.projections(query, value, key)["query"][1][0], self.value_width()
        weights += self._projection("attention_output", (*heads, query[-1]), query[-1:], inputs=2)
        return tuple(weights)

    def value_width(self) -> int:
        """Number of features of a head's values."""
        raise NotImplementedError

    def multiply_adds(self, *inputs: Shape) -> int:
        """Every projection at every position, the scores and the means."""
        query, value, key = three(self, inputs)
        projections = self.projections(query, value, key)
        positions = {"key": value[0], "value": value[0]}
        projected = sum(
            features * math.prod(shape) * positions.get(name, query[0])
            for name, (features, shape) in projections.items()
        )
        heads, width = projections["query"][1]
        scored = heads * query[0] * value[0] * (width + self.value_width())
        return projected + scored + heads * self.value_width() * query[-1] * query[0]

    def activations(self, *inputs: Shape) -> int:
        """Projections, scores, attention weights, the heads' means and the output."""
        query, value, key = three(self, inputs)
        projections = self.projections(query, value, key)
        positions = {"key": value[0], "value": value[0]}
        projected = sum(
            math.prod(shape) * positions.get(name, query[0])
            for name, (_, shape) in projections.items()
        )
        heads = projections["query"][1][0]
        scores = 2 * heads * query[0] * value[0]
        return projected + scores + heads * query[0] * self.value_width() + math.prod(query)

    def _projection(self, name: str, kernel: Shape, bias: Shape, *, inputs: int) -> list[Weight]:
        """A kernel that sums over its first `inputs` axes, and a bias."""
        weights = [Weight(f"{name}/kernel", kernel, input_axes=tuple(range(inputs)))]
        return [*weights, Weight(f"{name}/bias", bias)] if self.use_bias else weights


class MultiHeadAttention(_Heads):
    """softmax(Q·Kᵀ/√key_dim)·V in every head (Vaswani et al., 2017)."""

    type: Literal["MultiHeadAttention"] = "MultiHeadAttention"
    num_heads: PositiveInt
    key_dim: PositiveInt
    """Number of features of a head's queries and keys."""
    value_dim: PositiveInt | None = None
    """Number of features of a head's values; by default `key_dim`."""

    def value_width(self) -> int:
        """`value_dim`."""
        return self.value_dim or self.key_dim

    def projections(self, query: Shape, value: Shape, key: Shape) -> dict[str, tuple[int, Shape]]:
        """The projections of all heads together."""
        keys, values = (self.num_heads, self.key_dim), (self.num_heads, self.value_width())
        gate = {"gate": (query[-1], values)} if self.use_gate else {}
        return {
            "query": (query[-1], keys),
            "key": (key[-1], keys),
            **gate,
            "value": (value[-1], values),
        }


class GroupQueryAttention(_Heads):
    """Multi-head attention whose heads share keys and values in groups (Ainslie et al., 2023)."""

    type: Literal["GroupQueryAttention"] = "GroupQueryAttention"
    head_dim: PositiveInt
    """Number of features of a head's queries, keys and values."""
    num_query_heads: PositiveInt
    num_key_value_heads: PositiveInt
    """A divisor of `num_query_heads`."""

    @model_validator(mode="after")
    def _groups(self) -> "GroupQueryAttention":
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                f"expected num_query_heads ({self.num_query_heads}) to be a multiple of"
                f" num_key_value_heads ({self.num_key_value_heads})"
            )
        return self

    def value_width(self) -> int:
        """`head_dim`."""
        return self.head_dim

    def output_shape(self, *inputs: Shape) -> Shape:
        """The query's shape, (queries, features)."""
        query, value, _ = three(self, inputs)
        if query[-1] != value[-1]:
            raise ShapeError(
                "GroupQueryAttention expects queries and values with the same number of features,"
                f" received {render(query)} and {render(value)}"
            )
        return query

    def projections(self, query: Shape, value: Shape, key: Shape) -> dict[str, tuple[int, Shape]]:
        """The projections of all heads together."""
        queries = (self.num_query_heads, self.head_dim)
        shared = (self.num_key_value_heads, self.head_dim)
        gate = {"gate": (query[-1], queries)} if self.use_gate else {}
        return {
            "query": (query[-1], queries),
            "key": (key[-1], shared),
            **gate,
            "value": (value[-1], shared),
        }


def three(layer: Layer, inputs: tuple[Shape, ...]) -> tuple[Shape, Shape, Shape]:
    """Query, value and key; the value defaults to the query, the key to the value.

    Raises ShapeError unless all are (time, features), with as many keys as values.
    """
    for shape in inputs:
        expect_rank(layer, shape, 2, "time, features")
    query, value, key = (*inputs, *inputs[-1:] * 2)[:3]
    if value[0] != key[0]:
        raise ShapeError(
            f"{layer.type_name()} expects as many keys as values, received {render(key)} and"
            f" {render(value)}"
        )
    return query, value, key
