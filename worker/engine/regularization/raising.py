"""Raises dropout and L2 when the model overfits, as the note does by hand.

"Start with 0.3, and if you see signs of overfitting, increase the rate." A sign is an epoch whose
validation loss is above that of the best epoch while its training loss, also measured in inference
mode, is below it. After `patience` such epochs in a row training goes back
to the best weights and goes on with the higher rate.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Literal

from ridgeline.api.report import Raise
from ridgeline.spec.layers.base import MULTIPLIED
from ridgeline.spec.regularization.policy import RaiseDropout, RaiseL2, Regularization
from ridgeline.spec.regularization.regularizers import PenaltyTerm

Word = Literal["best", "raise"]


class RaiseOnOverfit:
    """Counts signs of overfitting, and holds the current rates and strengths."""

    def __init__(
        self,
        policy: Regularization,
        rates: Sequence[float],
        dropping: Sequence[bool],
        terms: Sequence[PenaltyTerm],
    ) -> None:
        """`dropping` tells which rates belong to dropout layers that the spec has not disabled."""
        strengths = [term.strength for term in terms]
        self._terms = tuple(terms)
        dropout = policy.dropout.raise_on_overfit if policy.dropout else None
        weights = policy.weights.raise_on_overfit if policy.weights else None
        self._dropout = _Raised(dropout, rates, dropping)
        self._l2 = _Raised(weights, strengths, [_is_kernels(term) for term in terms])
        self._best_loss, self._best_train, self._best_epoch = inf, inf, 0
        self._signs = 0
        self.raises: list[Raise] = []

    @property
    def active(self) -> bool:
        """Whether anything can be raised."""
        return bool(self._dropout.policy or self._l2.policy)

    @property
    def rates(self) -> list[float]:
        """The current dropout rates, one per layer."""
        return self._dropout.values

    @property
    def coefficients(self) -> list[float]:
        """The current penalty coefficients, one per term; they grow with the strengths."""
        return [
            term.coefficient * (strength / term.strength)
            for term, strength in zip(self._terms, self._l2.values, strict=True)
        ]

    @property
    def settings(self) -> dict[str, float]:
        """The series for the curves: the lowest of the raised values."""
        shown = {"dropout_rate": self._dropout, "l2": self._l2}
        return {name: raised.least for name, raised in shown.items() if raised.policy}

    def epoch_ended(self, epoch: int, values: Mapping[str, float | None]) -> Word | None:
        """Whether the epoch was the best so far, or calls for a raise."""
        loss, train = values.get("val_data_loss"), values.get("train_data_loss")
        if not self.active or loss is None or train is None:
            return None
        if loss < self._best_loss:
            self._best_loss, self._best_train, self._best_epoch = loss, train, epoch
            self._signs = 0
            return "best"
        self._signs = self._signs + 1 if train < self._best_train else 0
        due = self._dropout.due(self._signs) or self._l2.due(self._signs)
        return "raise" if due else None

    def increase(self, epoch: int) -> list[Raise]:
        """Raise what is due after `epoch`, and record the change."""
        made = []
        for what, raised in (("dropout", self._dropout), ("l2", self._l2)):
            if raised.due(self._signs):
                before, after = raised.increase()
                made.append(
                    Raise(
                        epoch=epoch,
                        restored_epoch=self._best_epoch,
                        what=what,
                        before=before,
                        after=after,
                    )
                )
        self._signs = 0
        self.raises += made
        return made

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        best = [self._best_loss, self._best_train, self._best_epoch] if self._best_epoch else None
        return {
            "rates": self._dropout.values,
            "strengths": self._l2.values,
            "best": best,
            "signs": self._signs,
            "raises": [made.model_dump() for made in self.raises],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._dropout.values = list(state["rates"])
        self._l2.values = list(state["strengths"])
        if state["best"]:
            self._best_loss, self._best_train, self._best_epoch = state["best"]
        self._signs = state["signs"]
        self.raises = [Raise(**made) for made in state["raises"]]


def _is_kernels(term: PenaltyTerm) -> bool:
    """Whether it is L2 on a kernel, which the policy's `weights` governs."""
    return term.kind == "l2" and term.weight.rpartition("/")[2] in MULTIPLIED


class _Raised:
    """Values that are raised together, each up to the policy's `to`."""

    def __init__(
        self,
        policy: RaiseDropout | RaiseL2 | None,
        values: Sequence[float],
        raised: Sequence[bool],
    ) -> None:
        self.policy = policy if any(raised) else None
        self.values = list(values)
        self._raised = list(raised)

    @property
    def least(self) -> float:
        """The lowest of the raised values."""
        return min(value for value, raised in zip(self.values, self._raised, strict=True) if raised)

    def due(self, signs: int) -> bool:
        """Whether this many signs call for a raise, and one is possible."""
        policy = self.policy
        return policy is not None and signs >= policy.patience and self.least < policy.to

    def increase(self) -> tuple[float, float]:
        """Raise the values; return the lowest before and after."""
        before = self.least
        self.values = [
            max(value, self._higher(value)) if raised else value
            for value, raised in zip(self.values, self._raised, strict=True)
        ]
        return before, self.least

    def _higher(self, value: float) -> float:
        policy = self.policy
        if policy is None:
            return value
        if isinstance(policy, RaiseL2) and policy.factor is not None:
            higher = value * policy.factor
        else:
            higher = value + (policy.step or 0.0)
        # Added in decimal: 0.3 + 0.1 + 0.1 is 0.5, and no more.
        return min(policy.to, float(f"{higher:.10g}"))
