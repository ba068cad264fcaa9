"""Raising dropout and L2 on signs of overfitting."""

from typing import Any

import pytest

from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from worker.engine.regularization.raising import RaiseOnOverfit

DROPOUT = {"dropout": {"rate": 0.3, "raise_on_overfit": {"to": 0.5, "patience": 2}}}
L2 = {"weights": {"l2": 0.001, "raise_on_overfit": {"to": 0.004, "factor": 3, "patience": 2}}}


def term(kind: str, strength: float, coefficient: float) -> PenaltyTerm:
    return PenaltyTerm.model_validate(
        {
            "layer": "dense",
            "weight": "kernel",
            "kind": kind,
            "strength": strength,
            "coefficient": coefficient,
            "formula": "",
        }
    )


def watcher(policy: dict[str, Any], rates: Any = (0.3,), terms: Any = ()) -> RaiseOnOverfit:
    regularization = Regularization.model_validate(policy, strict=False)
    return RaiseOnOverfit(regularization, rates, [rate > 0 for rate in rates], terms)


def feed(raising: RaiseOnOverfit, *epochs: tuple[float, float]) -> list[Any]:
    """Feed (val_data_loss, train_data_loss) of epochs 1, 2, …; raise where it says so."""
    words: list[Any] = []
    for number, (val, train) in enumerate(epochs, start=1):
        words.append(raising.epoch_ended(number, {"val_data_loss": val, "train_data_loss": train}))
        if words[-1] == "raise":
            raising.increase(number)
    return words


def test_raises_after_patience_epochs_of_overfitting_and_starts_counting_anew() -> None:
    raising = watcher(DROPOUT)
    words = feed(
        raising, (1.0, 1.0), (0.8, 0.7), (0.9, 0.6), (1.0, 0.5), (0.9, 0.6), (1.1, 0.4), (1.1, 0.4)
    )
    assert words == ["best", "best", None, "raise", None, "raise", None]
    assert raising.rates == [0.5]
    assert [made.model_dump() for made in raising.raises] == [
        {"epoch": 4, "restored_epoch": 2, "what": "dropout", "before": 0.3, "after": 0.4},
        {"epoch": 6, "restored_epoch": 2, "what": "dropout", "before": 0.4, "after": 0.5},
    ]


def test_stays_at_the_limit() -> None:
    raising = watcher(DROPOUT)
    feed(raising, (0.8, 0.7), *[(0.9, 0.5)] * 20)
    assert raising.rates == [0.5]
    assert len(raising.raises) == 2


def test_a_worse_validation_loss_alone_is_no_overfitting() -> None:
    """Where the training rows are fitted worse too, training is unstable: dropout is no cure."""
    raising = watcher(DROPOUT)
    words = feed(raising, (0.8, 0.7), (0.9, 0.75), (1.0, 0.9), (1.0, 0.8), (0.9, 0.6), (0.9, 0.9))
    assert set(words[1:]) == {None}


def test_a_better_epoch_ends_the_count() -> None:
    raising = watcher(DROPOUT)
    assert feed(raising, (0.8, 0.7), (0.9, 0.6), (0.7, 0.6), (0.8, 0.5)) == [
        "best",
        None,
        "best",
        None,
    ]


def test_l2_rises_by_its_factor_and_the_textbooks_coefficient_with_it() -> None:
    terms = (term("l2", 0.001, 0.001 / 64), term("l1", 0.01, 0.01))
    raising = watcher(L2, terms=terms)
    assert raising.coefficients == [0.001 / 64, 0.01]
    feed(raising, (0.8, 0.7), (0.9, 0.6), (0.9, 0.6))
    assert raising.coefficients == pytest.approx([0.003 / 64, 0.01], rel=1e-12)
    feed(raising, (0.9, 0.6), (0.9, 0.6))
    assert raising.coefficients == pytest.approx([0.004 / 64, 0.01], rel=1e-12)
    assert raising.settings == {"l2": 0.004}


def test_what_is_off_stays_off_and_what_is_higher_stays_higher() -> None:
    raising = watcher(DROPOUT, rates=(0.0, 0.3, 0.6))
    feed(raising, (0.8, 0.7), (0.9, 0.6), (0.9, 0.6))
    assert raising.rates == [0.0, 0.4, 0.6]


def test_nothing_happens_without_a_policy_or_without_validation() -> None:
    assert feed(watcher({"dropout": {"rate": 0.3}}), (0.8, 0.7), (0.9, 0.6)) == [None, None]
    raising = watcher(DROPOUT)
    assert raising.epoch_ended(1, {"train_data_loss": 0.5}) is None


def test_goes_on_from_its_state() -> None:
    epochs = [(0.8, 0.7), (0.9, 0.6), (0.9, 0.5), (0.9, 0.6), (1.1, 0.4), (1.1, 0.4)]
    whole = watcher(DROPOUT | L2, terms=(term("l2", 0.001, 0.001),))
    feed(whole, *epochs)
    for cut in range(len(epochs)):
        first = watcher(DROPOUT | L2, terms=(term("l2", 0.001, 0.001),))
        feed(first, *epochs[:cut])
        second = watcher(DROPOUT | L2, terms=(term("l2", 0.001, 0.001),))
        second.restore(first.state())
        for number, (val, train) in enumerate(epochs[cut:], start=cut + 1):
            values = {"val_data_loss": val, "train_data_loss": train}
            if second.epoch_ended(number, values) == "raise":
                second.increase(number)
        assert second.state() == whole.state()
