"""Thinned curves keep their extremes."""

import math

import pytest

from ridgeline.storage.records.thinning import Extremes, block_of, chosen, merged

Rows = dict[int, dict[str, float | None]]


def noisy(epochs: int, series: int = 4) -> Rows:
    return {
        epoch: {f"s{number}": math.sin(7919 * epoch * (number + 1)) for number in range(series)}
        for epoch in range(1, epochs + 1)
    }


def thinned(rows: Rows, max_points: int, width: int = 5) -> list[int]:
    blocks = [block_of(part) for part in _parts(rows, width)]
    return chosen(blocks, min(rows), max(rows), max_points)


def _parts(rows: Rows, width: int) -> list[list[tuple[int, dict[str, float | None]]]]:
    items = list(rows.items())
    return [items[start : start + width] for start in range(0, len(items), width)]


@pytest.mark.parametrize("max_points", [2, 3, 4, 5, 9, 10, 50, 99])
@pytest.mark.parametrize("series", [1, 4, 12])
def test_thinned_curve_has_both_ends_and_at_most_max_points(max_points: int, series: int) -> None:
    kept = thinned(noisy(1000, series), max_points)
    assert len(kept) <= max_points
    assert (kept[0], kept[-1]) == (1, 1000)
    assert kept == sorted(set(kept))


@pytest.mark.parametrize("width", [1, 5, 64])
def test_extremes_are_kept(width: int) -> None:
    rows: Rows = {epoch: {"loss": 1 / epoch, "val_loss": 1.0} for epoch in range(1, 1001)}
    rows[372] = {"loss": 99.0, "val_loss": 1.0}
    rows[778] = {"loss": 0.001, "val_loss": -5.0}
    kept = thinned(rows, 50, width)
    assert {1, 372, 778, 1000} <= set(kept)
    assert len(kept) > 25


def test_with_few_points_the_first_series_decides() -> None:
    rows = noisy(1000, 12)
    worst = max(rows, key=lambda epoch: rows[epoch]["s0"] or 0)
    assert worst in thinned(rows, 6)


def test_missing_values_are_ignored() -> None:
    rows: Rows = {epoch: {"loss": None if epoch > 50 else 1.0} for epoch in range(1, 101)}
    assert thinned(rows, 10)[-1] == 100
    assert thinned({1: {"loss": None}, 2: {}}, 2) == [1, 2]


def test_merged_block_equals_the_block_of_its_epochs() -> None:
    rows = noisy(60)
    whole = block_of(rows.items())
    assert merged([block_of(part) for part in _parts(rows, 7)]) == whole
    assert whole.last == 60


def test_first_of_equal_extremes_wins() -> None:
    rows: Rows = {epoch: {"loss": 1.0} for epoch in (1, 2, 3, 4)}
    first = Extremes(1.0, 1, 1.0, 1)
    assert block_of(rows.items()).extremes == {"loss": first}
    assert merged([block_of(part) for part in _parts(rows, 2)]).extremes == {"loss": first}
