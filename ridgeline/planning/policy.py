"""Applies a regularization policy to wired layers."""

from collections.abc import Container, Mapping, Sequence

from ridgeline.planning.wiring import INPUT, consumers, name_source
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.base import Weight
from ridgeline.spec.layers.regularization import Dropout
from ridgeline.spec.regularization.policy import DropoutPolicy, Regularization
from ridgeline.spec.regularization.regularizers import (
    ACTIVITY,
    ActivityPenalty,
    AppliedPenalty,
    PenaltyTerm,
    WeightPenalty,
)


def apply_policy(
    layers: Sequence[Layer], policy: Regularization, weights: Mapping[str, Sequence[Weight]]
) -> tuple[Layer, ...]:
    """Give every layer the policy's regularizers and constraints, and add its dropout layers.

    A layer's own regularizer takes precedence; its own `null` means none. `weights` are each
    layer's weights, by layer name.
    """
    regularized = tuple(layer.with_policy(policy, weights[str(layer.name)]) for layer in layers)
    return with_dropout(regularized, policy.dropout) if policy.dropout else regularized


def penalty_terms(
    layer: Layer, weights: Sequence[Weight], *, batch_size: int, rows: int
) -> list[PenaltyTerm]:
    """The penalties of a layer on its `weights` and on its output."""
    terms = []
    for penalized in layer.penalties():
        penalty = penalized.penalty
        if isinstance(penalty, ActivityPenalty):
            terms += _terms(layer, penalty.applied(), [ACTIVITY])
            continue
        names = [weight.name for weight in weights if weight.role == penalized.role]
        kinds = penalty.applied(batch_size=batch_size, rows=rows)
        terms += _terms(layer, kinds, names, penalty)
    return terms


def _terms(
    layer: Layer,
    kinds: Sequence[AppliedPenalty],
    names: Sequence[str],
    penalty: WeightPenalty | None = None,
) -> list[PenaltyTerm]:
    orthogonal = penalty.orthogonal if penalty else None
    return [
        PenaltyTerm(
            layer=str(layer.name),
            weight=name,
            **kind._asdict(),
            proximal=kind.kind == "l1" and penalty is not None and penalty.l1_mode == "proximal",
            mode=orthogonal.mode if orthogonal else None,
        )
        for name in names
        for kind in kinds
    ]


def with_dropout(layers: Sequence[Layer], policy: DropoutPolicy) -> tuple[Layer, ...]:
    """Add a Dropout after each site and connect the site's consumers to it."""
    free_name = name_source({INPUT, *(str(layer.name) for layer in layers)})
    dropouts = {
        site: Dropout(name=free_name("Dropout"), inputs=(site,), rate=policy.rate)
        for site in _sites(layers, policy)
    }
    result: list[Layer] = []
    for layer in layers:
        inputs = tuple(
            str(dropouts[name].name) if name in dropouts else name for name in layer.inputs or ()
        )
        same = inputs == layer.inputs
        result.append(layer if same else layer.model_copy(update={"inputs": inputs}))
        if layer.name in dropouts:
            result.append(dropouts[layer.name])
    return tuple(result)


def _sites(layers: Sequence[Layer], policy: DropoutPolicy) -> list[str]:
    """Names of the layers that dropout goes after, in order."""
    readers = consumers(layers)
    trailing = _trailing(layers, readers)
    sites = [_site(layer, readers, trailing) for layer in layers if layer.family() in policy.after]
    return list(dict.fromkeys(name for name in sites if name is not None))


def _site(
    layer: Layer, readers: Mapping[str, Sequence[Layer]], trailing: Container[str | None]
) -> str | None:
    """The layer that the dropout for `layer` goes after: past activation, normalization, reshaping.

    None if that would be the output, or if dropout follows already.
    """
    site = layer
    while site.name not in trailing:
        followers = readers[str(site.name)]
        if any(follower.drops for follower in followers):
            return None
        if len(followers) > 1 or not followers[0].follows or followers[0].arity != (1, 1):
            return str(site.name)
        site = followers[0]
    return None


def _trailing(
    layers: Sequence[Layer], readers: Mapping[str, Sequence[Layer]]
) -> Container[str | None]:
    """The output, and the layers connected to it by activations, reshaping and merges only.

    Dropout after them would drop predictions. One pass backwards, since layers are in topological
    order.
    """
    trailing = {layers[-1].name}
    for layer in reversed(layers[:-1]):
        if any(reader.follows and reader.name in trailing for reader in readers[str(layer.name)]):
            trailing.add(layer.name)
    return trailing
