"""Rules, the case they look at, and the advice they give."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.loss_fit import TargetEncoding
from ridgeline.planning.posted import Path, about_layer, origin, posted_path
from ridgeline.spec.dataset import Dataset, SplitRows
from ridgeline.spec.faults import pointer
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import Layer, Weight
from ridgeline.spec.layers.base import Penalized
from ridgeline.spec.layers.wrapper import with_wrapped
from ridgeline.spec.regularization.regularizers import AppliedPenalty, PenaltyTerm, WeightPenalty
from ridgeline.spec.schema import Contract

Severity = Literal["info", "warning"]


class Advice(Contract):
    """One remark on a spec."""

    id: str
    severity: Severity
    pointer: str
    """JSON pointer into the spec as posted."""
    message: str
    source: str
    """Where the rule comes from."""


class PenalizedWeight(NamedTuple):
    """One kind of penalty on one weight, and where it comes from."""

    node: Node
    penalized: Penalized
    weight: Weight
    penalty: AppliedPenalty
    at: Path


@dataclass(frozen=True)
class Case:
    """A spec and what follows from it."""

    spec: JobSpec
    """The spec as posted."""
    graph: Graph
    """What will be trained, with the policy's layers, penalties and constraints."""
    position: Mapping[str, int]
    """Each posted layer's index in the spec."""
    rows: SplitRows
    penalties: tuple[PenaltyTerm, ...]
    dataset: Dataset
    """The data set with every default spelled out."""
    encoding: TargetEncoding

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The graph's layers by name."""
        return {node.name: node for node in self.graph.nodes}

    @property
    def posted(self) -> Iterator[tuple[Node, Path]]:
        """The layers that the spec lists, each with the path to it."""
        for node in self.graph.nodes:
            if node.name in self.position:
                yield node, ("model", "layers", self.position[node.name])

    @cached_property
    def penalized_weights(self) -> tuple[PenalizedWeight, ...]:
        """Every penalty on a weight of the layers that the spec lists."""
        return tuple(self._penalized_weights())

    def path_to(self, node: Node) -> Path:
        """The path to a layer; to the policy if that added the layer."""
        if node.name in self.position:
            return ("model", "layers", self.position[node.name])
        return ("regularization", "dropout", "after")

    def origin(self, node: Node, argument: Path) -> Path:
        """The path to a layer's penalty or constraint, in the layer or in the policy."""
        return origin(self.spec, self.position[node.name], argument)

    def _penalized_weights(self) -> Iterator[PenalizedWeight]:
        for node, _ in self.posted:
            for penalized in node.layer.penalties():
                penalty = penalized.penalty
                if not isinstance(penalty, WeightPenalty):
                    continue
                at = self.origin(node, penalized.argument)
                kinds = penalty.applied(
                    batch_size=self.spec.training.batch_size, rows=self.rows.train
                )
                for weight in node.weights:
                    if weight.role == penalized.role:
                        for kind in kinds:
                            yield PenalizedWeight(node, penalized, weight, kind, (*at, kind.kind))


Finding = tuple[Path, str]
"""The path that a rule applies to, and the message."""
Check = Callable[[Case], Iterator[Finding]]


class Rule(NamedTuple):
    """A check, with the id, severity and source of its advice."""

    id: str
    severity: Severity
    source: str
    check: Check


RULES: list[Rule] = []


def rule(identifier: str, severity: Severity, source: str) -> Callable[[Check], Check]:
    """Register a check. Its id is public and must not change."""

    def register(check: Check) -> Check:
        RULES.append(Rule(identifier, severity, source, check))
        return check

    return register


def advice_of(rule: Rule, case: Case) -> Iterator[Advice]:
    """The advice of one rule, at most one per place in the spec."""
    by_place: dict[str, Advice] = {}
    for path, text in rule.check(case):
        message = about_layer(case.spec, path, text)
        at = pointer(*posted_path(case.spec, path))
        key = message if at == pointer("model") else at
        by_place.setdefault(
            key,
            Advice(
                id=rule.id,
                severity=rule.severity,
                pointer=at,
                message=message,
                source=rule.source,
            ),
        )
    yield from by_place.values()


def dropout_rates(layer: Layer) -> Iterator[float]:
    """A layer's dropout rates: of its units, its inputs, its state, its attention weights."""
    for inner in with_wrapped(layer):
        if inner.drops:
            yield getattr(inner, "rate", 0.0)
        for name in ("dropout", "recurrent_dropout"):
            yield getattr(inner, name, 0.0)


def drops(node: Node) -> bool:
    """Whether a layer is a dropout layer with a rate above 0."""
    return node.layer.drops and getattr(node.layer, "rate", 0.0) > 0
