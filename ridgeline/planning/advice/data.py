"""Whether the data are enough, to train and to judge by.

Whether an uploaded data set's columns and classes are fit to learn from.
"""

import math
import re
from collections.abc import Callable, Iterator
from math import isfinite

from ridgeline.planning.advice.base import Case, Finding, dropout_rates, parts, rule
from ridgeline.planning.checks.dataset import class_counts
from ridgeline.planning.dataset.outcome import listed, quoted
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.dataset.contents import Column, ColumnType
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.augmentation import Augmentation

_ODD = 0.2
"""A column of which a smaller share of the values are no numbers is meant to hold numbers."""


_DATE = re.compile(
    r"\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,4}/\d{1,2}/\d{1,4}|\d{1,2}\.\d{1,2}\.\d{2,4})(\D|$)"
)


IMBALANCE = 10
"""How many times as many rows the largest class has as the smallest."""


@rule(
    "no-validation-split",
    "warning",
    "note, Dropout: raise the rate on signs of overfitting",
)
def no_validation(case: Case) -> Iterator[Finding]:
    """No rows held out to see overfitting by."""
    if case.rows.validation == 0:
        yield (
            ("split", "validation"),
            "Without validation rows nothing shows whether the model overfits; hold out 0.2.",
        )


@rule(
    "data-too-small",
    "warning",
    "Zhang et al., 2017: Understanding deep learning requires rethinking generalization, theorem 1",
)
def too_small(case: Case) -> Iterator[Finding]:
    """Parameters enough to learn the rows by heart, and nothing against it.

    That takes 2n + d for any labels of n rows of d features.
    """
    rows, features = case.rows.train, math.prod(case.graph.input_shape)
    trainable = case.graph.parameters.trainable
    enough = 2 * rows + features
    if trainable <= enough or _regularized(case):
        return
    message = (
        f"{trainable:,} trainable parameters for {rows:,} training rows, {trainable / rows:.3g} a"
        f" row. With 2·rows + features = {enough:,} a network can learn any labels by heart, and"
        " nothing regularizes this one; start with dropout of 0.3 and L2, take more rows, or make"
        " the network smaller."
    )
    yield ("dataset", "rows"), message


def _regularized(case: Case) -> bool:
    training = case.spec.training
    return (
        bool(case.penalties)
        or any(_regularizes(node.layer) for node in case.graph.nodes)
        or bool(training.optimizer.weight_decay)
        or bool(getattr(training.loss, "label_smoothing", 0.0))
        or training.early_stopping is not None
    )


def _regularizes(layer: Layer) -> bool:
    """Whether a layer drops, disturbs, augments or constrains."""
    constrained = any(
        getattr(part, argument) is not None
        for part in parts(layer)
        for argument in part.constraints
    )
    disturbs = getattr(layer, "stddev", 0.0) > 0 or isinstance(layer, Augmentation)
    return constrained or disturbs or any(rate > 0 for rate in dropout_rates(layer))


@rule(
    "row-number-column",
    "warning",
    "Kaufman et al., 2012: Leakage in data mining: formulation, detection, and avoidance",
)
def row_numbers(case: Case) -> Iterator[Finding]:
    """A feature that counts the rows."""
    names = _features_that(case, _counts_rows)
    if names:
        message = (
            f"The rows are numbered one by one in {listed(names)}, which says nothing of rows to"
            " come; leave it out of features."
        )
        yield ("dataset", "features"), message


@rule(
    "constant-column",
    "info",
    "Guyon & Elisseeff, 2003: An introduction to variable and feature selection",
)
def constant(case: Case) -> Iterator[Finding]:
    """A feature with one value."""
    names = _features_that(case, lambda column, _: column.distinct == 1 and not column.missing)
    if names:
        message = (
            f"Nothing can be learned from {listed(names)}, the same value in every row; leave it"
            " out of features."
        )
        yield ("dataset", "features"), message


@rule(
    "numbers-as-text",
    "warning",
    "Kuhn & Johnson, 2019: Feature engineering and selection",
)
def numbers_as_text(case: Case) -> Iterator[Finding]:
    """A feature of numbers that a few cells make text."""
    odd = {}
    for column in _text_features(case):
        values = [each.value for each in column.values or ()]
        others = [value for value in values if not _is_number(value)]
        if 0 < len(others) < len(values) * _ODD:
            odd[column.name] = others[0]
    if odd:
        message = (
            f"Nearly all values of {listed(list(odd))} are numbers, and read as text for some such"
            f" as {listed(list(odd.values()))}. Leave cells without a value empty, write numbers"
            " with a point and nothing else beside the digits, and upload the file again: of a"
            " text, how large it is does not count."
        )
        yield ("dataset", "features"), message


@rule(
    "dates-as-text",
    "warning",
    "Kuhn & Johnson, 2019: Feature engineering and selection",
)
def dates_as_text(case: Case) -> Iterator[Finding]:
    """A feature of dates."""
    names = [
        column.name
        for column in _text_features(case)
        if column.values and all(_DATE.match(each.value) for each in column.values)
    ]
    if names:
        message = (
            f"{listed(names)} holds dates, which are read as texts: of a day that does not come"
            " again nothing is learned. Upload what counts of them as columns of numbers, such as"
            " the month, the day of the week or the days since a beginning."
        )
        yield ("dataset", "features"), message


@rule(
    "imbalanced-classes",
    "warning",
    "He & Garcia, 2009: Learning from imbalanced data",
)
def imbalanced(case: Case) -> Iterator[Finding]:
    """A class that is rare beside another, and counts no more for it."""
    counts = class_counts(case.dataset)
    if not counts or case.spec.training.class_weight is not None:
        return
    most, least = (pick(counts, key=lambda each: each.rows) for pick in (max, min))
    if most.rows < IMBALANCE * least.rows:
        return
    share = most.rows / sum(each.rows for each in counts)
    message = (
        f"Class {quoted(most.value)} has {most.rows:,} rows, class {quoted(least.value)} has"
        f" {least.rows:,}: always to say the first is right in {share:.0%} of all rows. Set"
        ' class_weight to "balanced", stratify the split, and judge by f1_score or auc rather than'
        " by accuracy."
    )
    yield ("training", "class_weight"), message


def _features_that(case: Case, test: Callable[[Column, int], bool]) -> list[str]:
    """The names of feature columns that pass a test of the column and the rows."""
    dataset = case.dataset
    if not isinstance(dataset, UploadDataset) or dataset.stored is None:
        return []
    return [
        column.name
        for column in dataset.stored.columns or ()
        if column.name != dataset.target and test(column, dataset.stored.rows)
    ]


def _text_features(case: Case) -> Iterator[Column]:
    """Feature columns of text as the file has them, with their values where they are few enough."""
    posted = case.spec.dataset
    if not isinstance(posted, UploadDataset) or posted.stored is None:
        return
    used = set(_features_that(case, lambda column, _: column.type is ColumnType.TEXT))
    yield from (column for column in posted.stored.columns or () if column.name in used)


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _counts_rows(column: Column, rows: int) -> bool:
    low, high = column.minimum, column.maximum
    if column.type is not ColumnType.INTEGER or low is None or high is None:
        return False
    return not column.missing and column.distinct in (rows, None) and high - low == rows - 1 > 0
