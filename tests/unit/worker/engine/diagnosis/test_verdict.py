"""Verdicts on curves whose course is known."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.report import Verdict
from worker.engine.diagnosis.verdict import MIN_EPOCHS, Diagnosis, diagnose, is_early

BASELINE = math.log(10)
EPOCHS = 40
FALLING = [BASELINE * math.exp(-epoch / 5) for epoch in range(EPOCHS)]
RISING_AGAIN = [0.4 + 2 * math.exp(-epoch / 4) + 0.01 * epoch for epoch in range(EPOCHS)]


def rows(train: Sequence[float], **series: Sequence[float]) -> list[EpochRow]:
    """Epochs with `data_loss` = `train`, no penalty, and the other series."""
    return [
        EpochRow(
            epoch=index + 1,
            values={
                "loss": loss,
                "data_loss": loss,
                "penalty": 0.0,
                **{name: values[index] for name, values in series.items()},
            },
            penalty_by_layer={},
            seconds=0.1,
        )
        for index, loss in enumerate(train)
    ]


def judge(
    train: Sequence[float],
    validation: Sequence[float] | None = None,
    *,
    baseline: float | None = BASELINE,
    loss_name: str = "sparse_categorical_crossentropy",
    **options: Any,
) -> Diagnosis:
    series = {} if validation is None else {"val_data_loss": validation}
    return diagnose(rows(train, **series), loss_name=loss_name, baseline=baseline, **options)


def ids(diagnosis: Diagnosis) -> set[str]:
    return {evidence.id for evidence in diagnosis.evidence}


def noisy(values: Sequence[float], deviation: float, seed: int = 0) -> list[float]:
    strays = NormalDist(0, deviation).samples(len(values), seed=seed)
    return [value + stray for value, stray in zip(values, strays, strict=True)]


def with_nonfinite(found: list[EpochRow], name: str) -> list[EpochRow]:
    last = found[-1]
    broken = last.model_copy(update={"values": {**last.values, name: None}, "nonfinite": (name,)})
    return [*found[:-1], broken]


class TestOverfit:
    def test_validation_rises_while_training_falls(self) -> None:
        diagnosis = judge(FALLING, RISING_AGAIN)
        assert diagnosis.verdict is Verdict.OVERFIT
        assert {"validation-rose", "training-fell-on", "large-gap"} <= ids(diagnosis)
        best = min(range(EPOCHS), key=lambda epoch: RISING_AGAIN[epoch]) + 1
        assert diagnosis.best_epoch == best
        rose = next(each for each in diagnosis.evidence if each.id == "validation-rose")
        assert (rose.series, rose.epochs) == (("val_data_loss",), (best, EPOCHS))
        assert "0.77" in rose.message

    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_whatever_the_units(self, scale: float) -> None:
        train, validation = ([scale * value for value in v] for v in (FALLING, RISING_AGAIN))
        diagnosis = judge(
            train, validation, baseline=scale * BASELINE, loss_name="mean_squared_error"
        )
        assert diagnosis.verdict is Verdict.OVERFIT

    @pytest.mark.parametrize("seed", range(5))
    def test_through_noise(self, seed: int) -> None:
        diagnosis = judge(FALLING, noisy(RISING_AGAIN, 0.03, seed))
        assert diagnosis.verdict is Verdict.OVERFIT

    def test_without_a_baseline(self) -> None:
        diagnosis = judge(FALLING, RISING_AGAIN, baseline=None, loss_name="huber")
        assert diagnosis.verdict is Verdict.OVERFIT
        assert diagnosis.reference == FALLING[0]

    def test_rows_learned_by_heart_need_not_fall_on(self) -> None:
        train = [1e-4] * EPOCHS
        validation = [0.1 + 0.01 * epoch for epoch in range(EPOCHS)]
        diagnosis = judge(train, validation)
        assert diagnosis.verdict is Verdict.OVERFIT
        assert "training-memorised" in ids(diagnosis)

    def test_a_large_gap_alone(self) -> None:
        diagnosis = judge(FALLING, [max(value, 0.7) for value in FALLING])
        assert diagnosis.verdict is Verdict.OVERFIT
        assert "validation-rose" not in ids(diagnosis)
        assert diagnosis.gap_share == pytest.approx((0.7 - FALLING[-2]) / BASELINE, abs=0.01)


class TestGood:
    def test_both_fall_together(self) -> None:
        diagnosis = judge(FALLING, [value + 0.1 for value in FALLING])
        assert diagnosis.verdict is Verdict.GOOD
        assert {"small-gap", "low-training-loss"} <= ids(diagnosis)

    @pytest.mark.parametrize("seed", range(10))
    def test_noise_is_no_rise(self, seed: int) -> None:
        level = [0.3] * EPOCHS
        assert judge(noisy(level, 0.05, seed), noisy(level, 0.05, seed + 100)).verdict is (
            Verdict.GOOD
        )

    def test_one_bad_last_epoch_is_no_rise(self) -> None:
        validation = [*(value + 0.1 for value in FALLING[:-1]), 3.0]
        assert judge(FALLING, validation).verdict is Verdict.GOOD

    def test_a_rise_that_is_nothing_beside_the_baseline(self) -> None:
        validation = [max(value, 0.001) + 0.0001 * epoch for epoch, value in enumerate(FALLING)]
        assert judge(FALLING, validation).verdict is Verdict.GOOD


class TestUnderfit:
    def test_hardly_better_than_a_constant(self) -> None:
        diagnosis = judge([0.9 * BASELINE] * EPOCHS, [0.92 * BASELINE] * EPOCHS)
        assert diagnosis.verdict is Verdict.UNDERFIT
        assert {"high-training-loss", "small-gap", "plateau"} <= ids(diagnosis)
        assert diagnosis.level == pytest.approx(0.9)
        assert not diagnosis.improving

    def test_a_training_loss_that_dropout_raised_is_not_the_models(self) -> None:
        assert judge([0.8 * BASELINE] * EPOCHS, [0.3] * EPOCHS).verdict is Verdict.GOOD

    def test_without_a_baseline_by_the_slope(self) -> None:
        # The last quarter lowers it by a twentieth, and the first ones hardly did.
        slow = [1 - 0.1 * (epoch / (EPOCHS - 1)) ** 6 for epoch in range(EPOCHS)]
        diagnosis = judge(slow, slow, baseline=None, loss_name="huber")
        assert diagnosis.verdict is Verdict.UNDERFIT
        assert diagnosis.improving

    def test_without_a_baseline_a_level_loss_says_nothing(self) -> None:
        level = [1.0] * EPOCHS
        assert judge(level, level, baseline=None, loss_name="huber").verdict is Verdict.UNCLEAR


class TestDiverged:
    @pytest.mark.parametrize("epochs", [1, 3, 20])
    def test_not_finite(self, epochs: int) -> None:
        found = with_nonfinite(rows(FALLING[:epochs]), "data_loss")
        diagnosis = diagnose(found, loss_name="mean_squared_error", baseline=BASELINE)
        assert diagnosis.verdict is Verdict.DIVERGED
        (evidence,) = [each for each in diagnosis.evidence if each.id == "nonfinite"]
        assert (evidence.series, evidence.epochs) == (("data_loss",), (epochs,))

    def test_a_metric_that_is_not_finite_is_none(self) -> None:
        found = with_nonfinite(rows(FALLING, val_data_loss=FALLING), "auc")
        assert diagnose(found, loss_name="hinge", baseline=BASELINE).verdict is Verdict.GOOD

    @pytest.mark.parametrize("baseline", [None, 1.0])
    def test_grew(self, baseline: float | None) -> None:
        growing = [1.5**epoch for epoch in range(10)]
        diagnosis = judge(growing, growing, baseline=baseline, loss_name="mean_squared_error")
        assert diagnosis.verdict is Verdict.DIVERGED
        assert "loss-grew" in ids(diagnosis)

    def test_the_penalty_grew(self) -> None:
        found = [
            row.model_copy(update={"values": {**row.values, "loss": 2.0**row.epoch}})
            for row in rows(FALLING, val_data_loss=FALLING)
        ]
        diagnosis = diagnose(found, loss_name="hinge", baseline=BASELINE)
        assert diagnosis.verdict is Verdict.DIVERGED

    def test_a_crossentropy_far_worse_than_guessing(self) -> None:
        falling = [500.0 - epoch for epoch in range(20)]
        assert judge(falling, falling).verdict is Verdict.DIVERGED

    def test_a_regression_that_starts_far_away_and_falls(self) -> None:
        falling = [500.0 - epoch for epoch in range(20)]
        diagnosis = judge(falling, falling, baseline=1.0, loss_name="mean_squared_error")
        assert diagnosis.verdict is Verdict.UNDERFIT


class TestUnclear:
    def test_too_few_epochs(self) -> None:
        few = MIN_EPOCHS - 1
        diagnosis = judge(FALLING[:few], RISING_AGAIN[:few])
        assert (diagnosis.verdict, ids(diagnosis)) == (
            Verdict.UNCLEAR,
            {"too-few-epochs", "training-mode"},
        )

    def test_no_validation(self) -> None:
        diagnosis = judge(FALLING)
        assert diagnosis.verdict is Verdict.UNCLEAR
        assert (diagnosis.best_epoch, diagnosis.gap, diagnosis.gap_share) == (None, None, None)
        assert "no-validation" in ids(diagnosis)

    def test_both_rose(self) -> None:
        rising = [0.2 + 0.01 * epoch for epoch in range(EPOCHS)]
        diagnosis = judge(rising, rising)
        assert diagnosis.verdict is Verdict.UNCLEAR
        assert "both-rose" in ids(diagnosis)


def test_the_training_loss_in_inference_mode_is_preferred() -> None:
    with_dropout = [value + 0.6 for value in FALLING]
    validation = [value + 0.6 for value in FALLING]
    found = rows(with_dropout, val_data_loss=validation)
    honest = rows(with_dropout, val_data_loss=validation, train_data_loss=FALLING)
    options: dict[str, Any] = {"loss_name": "hinge", "baseline": BASELINE}
    assert diagnose(found, **options).verdict is Verdict.GOOD
    diagnosis = diagnose(honest, **options)
    assert diagnosis.verdict is Verdict.OVERFIT
    assert diagnosis.gap == pytest.approx(0.6)
    assert "training-mode" not in ids(diagnosis)
    assert "training-mode" in ids(diagnose(found, **options))


def test_only_the_kept_epochs_are_judged() -> None:
    best = judge(FALLING, RISING_AGAIN).best_epoch
    diagnosis = judge(FALLING, RISING_AGAIN, kept_epoch=best)
    assert "validation-rose" not in ids(diagnosis)
    assert "restored" in ids(diagnosis)


def test_early_stopping_is_evidence() -> None:
    evidence = judge(FALLING, RISING_AGAIN, stopped="Early stopping ended it.").evidence[-1]
    assert (evidence.id, evidence.message) == ("stopped-early", "Early stopping ended it.")


@pytest.mark.parametrize("reference", [0.0, 1e-320])
def test_a_reference_of_nothing_breaks_nothing(reference: float) -> None:
    level = [reference] * EPOCHS
    diagnosis = judge(level, [1e300] * EPOCHS, baseline=reference)
    assert diagnosis.gap_share is None


@pytest.mark.parametrize(
    ("best", "epochs", "early"),
    [(10, 40, True), (31, 40, False), (5, 10, True), (6, 10, False), (4, 8, False)],
)
def test_early_is_a_quarter_of_the_epochs_before_the_last(
    best: int, epochs: int, *, early: bool
) -> None:
    assert is_early(best, epochs) is early


def test_no_rows_at_all() -> None:
    assert diagnose([], loss_name="hinge").verdict is Verdict.UNCLEAR
