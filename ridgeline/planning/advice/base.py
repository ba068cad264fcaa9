"""What a rule is, what it looks at, and the remark it makes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from ridgeline.planning.graph import Graph, Node
from ridgeline.planning.posted import Path, about_layer, origin, posted_path
from ridgeline.spec.dataset import Dataset, SplitRows
from ridgeline.spec.faults import pointer
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import Layer, Weight
from ridgeline.spec.layers.base import Penalised
from ridgeline.spec.layers.wrapper import Wrapper
from ridgeline.spec.regularization.regularizers import Part, PenaltyTerm, WeightPenalty
from ridgeline.spec.schema import Contract

Severity = Literal["info", "warning"]


class Advice(Contract):
    """One remark on a spec."""

    id: str
    severity: Severity
    pointer: str
    """JSON pointer into the spec as it was posted."""
    message: str
    source: str
    """Where the rule comes from."""


class Put(NamedTuple):
    """One kind of penalty on one weight, and where it comes from."""

    node: Node
    penalised: Penalised
    weight: Weight
    part: Part
    at: Path


@dataclass(frozen=True)
class Case:
    """A spec and what follows from it."""

    spec: JobSpec
    """As it was posted."""
    graph: Graph
    """What will be trained, with the policy's layers, penalties and constraints."""
    position: Mapping[str, int]
    """Each posted layer's place in the spec."""
    rows: SplitRows
    penalties: tuple[PenaltyTerm, ...]
    dataset: Dataset
    """With every default spelled out."""

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
    def puts(self) -> tuple[Put, ...]:
        """Every penalty on a weight of the layers that the spec lists."""
        return tuple(self._puts())

    def path_to(self, node: Node) -> Path:
        """The path to a layer; to the policy that put it in where the spec does not list it."""
        if node.name in self.position:
            return ("model", "layers", self.position[node.name])
        return ("regularization", "dropout", "after")

    def origin(self, node: Node, argument: Path) -> Path:
        """The path to a layer's penalty or constraint, in the layer or in the policy it is from."""
        return origin(self.spec, self.position[node.name], argument)

    def _puts(self) -> Iterator[Put]:
        for node, _ in self.posted:
            for penalised in node.layer.penalties():
                penalty = penalised.penalty
                if not isinstance(penalty, WeightPenalty):
                    continue
                at = self.origin(node, penalised.argument)
                parts = penalty.parts(
                    batch_size=self.spec.training.batch_size, rows=self.rows.train
                )
                for weight in node.weights:
                    if weight.role == penalised.role:
                        for part in parts:
                            yield Put(node, penalised, weight, part, (*at, part.kind))


Finding = tuple[Path, str]
"""Where a rule applies, and what there is to say."""
Check = Callable[[Case], Iterator[Finding]]


class Rule(NamedTuple):
    """A check and what its remarks have in common."""

    id: str
    severity: Severity
    source: str
    check: Check


RULES: list[Rule] = []


def rule(identifier: str, severity: Severity, source: str) -> Callable[[Check], Check]:
    """Register a check. Its id is a released name: it stays."""

    def register(check: Check) -> Check:
        RULES.append(Rule(identifier, severity, source, check))
        return check

    return register


def advice_of(rule: Rule, case: Case) -> Iterator[Advice]:
    """The remarks of one rule, one for each place."""
    found: dict[str, Advice] = {}
    for path, text in rule.check(case):
        message = about_layer(case.spec, path, text)
        at = pointer(*posted_path(case.spec, path))
        key = message if at == pointer("model") else at
        found.setdefault(
            key,
            Advice(
                id=rule.id,
                severity=rule.severity,
                pointer=at,
                message=message,
                source=rule.source,
            ),
        )
    yield from found.values()


def parts(layer: Layer) -> Iterator[Layer]:
    """The layer, and the one that it wraps."""
    yield layer
    if isinstance(layer, Wrapper):
        yield from parts(layer.layer)


def dropout_rates(layer: Layer) -> Iterator[float]:
    """The rates by which a layer drops: its own units, its inputs, its state, its attention."""
    for part in parts(layer):
        if part.drops:
            yield getattr(part, "rate", 0.0)
        for name in ("dropout", "recurrent_dropout"):
            yield getattr(part, name, 0.0)


def drops(node: Node) -> bool:
    """Whether a layer is there to drop units, and does."""
    return node.layer.drops and getattr(node.layer, "rate", 0.0) > 0
