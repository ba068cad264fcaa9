"""Spells a regularization policy out over wired layers."""

from collections.abc import Container, Mapping, Sequence

from ridgeline.planning.wiring import INPUT, consumers, name_source
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.base import Weight
from ridgeline.spec.layers.regularization import Dropout
from ridgeline.spec.regularization.policy import DropoutPolicy, Regularization
from ridgeline.spec.regularization.regularizers import (
    ACTIVITY,
    ActivityPenalty,
    Part,
    PenaltyTerm,
    WeightPenalty,
)


def apply_policy(
    layers: Sequence[Layer], policy: Regularization, weights: Mapping[str, Sequence[Weight]]
) -> tuple[Layer, ...]:
    """Give every layer its regularizers and constraints and put the policy's dropout layers in.

    A layer's own regularizer wins, and a `null` of its own means none. `weights` are each layer's.
    """
    governed = tuple(layer.with_policy(policy, weights[str(layer.name)]) for layer in layers)
    return with_dropout(governed, policy.dropout) if policy.dropout else governed


def penalty_terms(
    layer: Layer, weights: Sequence[Weight], *, batch_size: int, rows: int
) -> list[PenaltyTerm]:
    """The penalties a layer puts on its `weights` and on its output."""
    terms = []
    for penalised in layer.penalties():
        penalty = penalised.penalty
        if isinstance(penalty, ActivityPenalty):
            terms += _terms(layer, penalty.parts(), [ACTIVITY])
            continue
        names = [weight.name for weight in weights if weight.role == penalised.role]
        parts = penalty.parts(batch_size=batch_size, rows=rows)
        terms += _terms(layer, parts, names, penalty)
    return terms


def _terms(
    layer: Layer, parts: Sequence[Part], names: Sequence[str], penalty: WeightPenalty | None = None
) -> list[PenaltyTerm]:
    orthogonal = penalty.orthogonal if penalty else None
    return [
        PenaltyTerm(
            layer=str(layer.name),
            weight=name,
            **part._asdict(),
            proximal=part.kind == "l1" and penalty is not None and penalty.l1_mode == "proximal",
            mode=orthogonal.mode if orthogonal else None,
        )
        for name in names
        for part in parts
    ]


def with_dropout(layers: Sequence[Layer], policy: DropoutPolicy) -> tuple[Layer, ...]:
    """Put a Dropout behind each site and let the site's consumers take it instead."""
    free_name = name_source({INPUT, *(str(layer.name) for layer in layers)})
    moved: dict[str, str] = {}
    behind: dict[str, Dropout] = {}
    for site in _sites(layers, policy):
        name = free_name("Dropout")
        moved[site] = name
        behind[site] = Dropout(name=name, inputs=(site,), rate=policy.rate)
    result: list[Layer] = []
    for layer in layers:
        inputs = tuple(moved.get(name, name) for name in layer.inputs or ())
        same = inputs == layer.inputs
        result.append(layer if same else layer.model_copy(update={"inputs": inputs}))
        if layer.name in behind:
            result.append(behind[layer.name])
    return tuple(result)


def _sites(layers: Sequence[Layer], policy: DropoutPolicy) -> list[str]:
    """Names of the layers behind which dropout goes, in order."""
    taken = consumers(layers)
    trailing = _trailing(layers, taken)
    found = [_site(layer, taken, trailing) for layer in layers if layer.family() in policy.after]
    return list(dict.fromkeys(name for name in found if name is not None))


def _site(
    layer: Layer, taken: Mapping[str, Sequence[Layer]], trailing: Container[str | None]
) -> str | None:
    """Where dropout for `layer` goes: behind what activates, normalizes or reshapes its output.

    None where that is the output, or where dropout follows already.
    """
    place = layer
    while place.name not in trailing:
        followers = taken[str(place.name)]
        if any(follower.drops for follower in followers):
            return None
        if len(followers) > 1 or not followers[0].follows or followers[0].arity != (1, 1):
            return str(place.name)
        place = followers[0]
    return None


def _trailing(
    layers: Sequence[Layer], taken: Mapping[str, Sequence[Layer]]
) -> Container[str | None]:
    """The output, and the layers a path of activations, reshapings and merges alone joins to it.

    What they dropped would be missing from the prediction itself. One pass from the output
    backwards: the layers are in topological order.
    """
    trailing = {layers[-1].name}
    for layer in reversed(layers[:-1]):
        if any(each.follows and each.name in trailing for each in taken[str(layer.name)]):
            trailing.add(layer.name)
    return trailing
