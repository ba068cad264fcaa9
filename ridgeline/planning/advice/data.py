"""Advice on the data: enough rows, validation rows, useful columns and texts, balanced classes."""

import math
import re
from collections.abc import Callable, Iterator
from math import isfinite

from ridgeline.planning.advice.base import Case, Finding, dropout_rates, rule
from ridgeline.planning.checks.dataset import class_counts
from ridgeline.planning.checks.layers import masked_means
from ridgeline.planning.dataset.outcome import listed, quoted
from ridgeline.planning.picture_range import picture_range, value_ranges
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.dataset.contents import Column, ColumnType
from ridgeline.spec.dataset.encodings import SequenceEncoding
from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.augmentation import Augmentation, ValueRanged
from ridgeline.spec.layers.wrapper import with_wrapped

_ODD = 0.2
"""A text column with a smaller fraction of values that are no numbers is meant to be numeric."""
_DATE = re.compile(
    r"\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,4}/\d{1,2}/\d{1,4}|\d{1,2}\.\d{1,2}\.\d{2,4})(\D|$)"
)
MOST_RATIO = 2
"""How many times as wide as the pictures' a range of values may be, or the other way around."""
IMBALANCE = 10
"""Ratio of rows between the largest and the smallest class from which classes are imbalanced."""


@rule(
    "no-validation-split",
    "warning",
    "note, Dropout: raise the rate on signs of overfitting",
)
def no_validation(case: Case) -> Iterator[Finding]:
    """No rows are held out to detect overfitting."""
    if case.rows.validation == 0:
        yield (
            ("split", "validation"),
            "Without validation rows, overfitting cannot be detected; hold out 0.2.",
        )


@rule(
    "data-too-small",
    "warning",
    "Zhang et al., 2017: Understanding deep learning requires rethinking generalization, theorem 1",
)
def too_small(case: Case) -> Iterator[Finding]:
    """The network can memorize the rows, and nothing regularizes it.

    2n + d parameters are enough for any labels of n rows with d features.
    """
    rows, features = case.rows.train, math.prod(case.graph.input_shape)
    trainable = case.graph.parameters.trainable
    enough = 2 * rows + features
    if trainable <= enough or _regularized(case):
        return
    message = (
        f"The network has {trainable:,} trainable parameters for {rows:,} training rows,"
        f" {trainable / rows:.3g} per row. With 2·rows + features = {enough:,} parameters it can"
        " memorize any labels, and nothing regularizes it. Start with dropout 0.3 and L2, use more"
        " rows, or make the network smaller."
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
    """Whether a layer drops, adds noise, augments or constrains."""
    constrains = any(
        getattr(inner, argument) is not None
        for inner in with_wrapped(layer)
        for argument in inner.constraints
    )
    disturbs = getattr(layer, "stddev", 0.0) > 0 or isinstance(layer, Augmentation)
    return constrains or disturbs or any(rate > 0 for rate in dropout_rates(layer))


@rule(
    "value-range",
    "warning",
    "Keras, image preprocessing layers: value_range is the range of the input",
)
def value_range(case: Case) -> Iterator[Finding]:
    """A layer whose value_range is not that of the pictures that reach it."""
    layers = [node.layer for node in case.graph.nodes]
    for name, expected in value_ranges(layers, picture_range(case.dataset)).items():
        layer = case.nodes[name].layer
        if not isinstance(layer, ValueRanged) or expected is None or layer.value_range is None:
            continue
        low, high = layer.value_range
        ratio = (high - low) / (expected.high - expected.low)
        if 1 / MOST_RATIO <= ratio <= MOST_RATIO and low < expected.high and high > expected.low:
            continue
        message = (
            f"{layer.type_name()} is told values from {low:g} to {high:g}, but those that reach it"
            f" are about {expected.low:g} to {expected.high:g} (scaling"
            f' "{case.dataset.scaling}"), so its changes are {ratio:.3g} times as strong as meant;'
            " leave value_range out."
        )
        yield (*case.path_to(case.nodes[name]), "value_range"), message


@rule(
    "row-number-column",
    "warning",
    "Kaufman et al., 2012: Leakage in data mining: formulation, detection, and avoidance",
)
def row_numbers(case: Case) -> Iterator[Finding]:
    """A feature that numbers the rows."""
    names = _features_that(case, _counts_rows)
    if names:
        message = (
            f"The rows are numbered one by one in {listed(names)}, which says nothing about new"
            " rows; leave it out of features."
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
            f"Nothing can be learned from {listed(names)}, with the same value in every row; leave"
            " it out of features."
        )
        yield ("dataset", "features"), message


@rule(
    "numbers-as-text",
    "warning",
    "Kuhn & Johnson, 2019: Feature engineering and selection",
)
def numbers_as_text(case: Case) -> Iterator[Finding]:
    """A numeric feature that is text because of a few cells."""
    odd = {}
    for column in _text_features(case):
        values = [count.value for count in column.values or ()]
        others = [value for value in values if not _is_number(value)]
        if 0 < len(others) < len(values) * _ODD:
            odd[column.name] = others[0]
    if odd:
        message = (
            f"Nearly all values of {listed(list(odd))} are numbers, but others, such as"
            f" {listed(list(odd.values()))}, make it text, and text has no order or size. Leave"
            " missing cells empty, write numbers with digits and a decimal point only, and store"
            " the file again."
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
        if column.values and all(_DATE.match(count.value) for count in column.values)
    ]
    if names:
        message = (
            f"Dates in {listed(names)} are read as text, and a date seen once teaches nothing. Use"
            " numeric columns such as the month, the day of the week or the days since a start."
        )
        yield ("dataset", "features"), message


@rule("empty-texts", "warning", "Keras guide, Understanding masking & padding")
def empty_texts(case: Case) -> Iterator[Finding]:
    """Rows without text, which are padding only, before a mean over the other steps."""
    dataset = case.dataset
    if not isinstance(dataset, UploadDataset) or len(dataset.encodings) != 1:
        return
    ((name, encoding),) = dataset.encodings.items()
    columns = dataset.stored.columns if dataset.stored else None
    missing = sum(column.missing for column in columns or () if column.name == name)
    if not missing or not isinstance(encoding, SequenceEncoding):
        return
    for node in masked_means(case.graph):
        message = (
            f"{missing:,} row(s) have no text in {quoted(name)}: all their steps are padding, and"
            " the mean over the other steps is 0/0, so the loss becomes NaN. Fill or remove these"
            " rows, or set the Embedding's mask_zero to false."
        )
        yield case.path_to(node), message


@rule(
    "imbalanced-classes",
    "warning",
    "He & Garcia, 2009: Learning from imbalanced data",
)
def imbalanced(case: Case) -> Iterator[Finding]:
    """A class is much rarer than another and has no higher weight."""
    counts = class_counts(case.dataset)
    if not counts or case.spec.training.class_weight is not None:
        return
    most, least = (pick(counts, key=lambda count: count.rows) for pick in (max, min))
    if most.rows < IMBALANCE * least.rows:
        return
    share = most.rows / sum(count.rows for count in counts)
    message = (
        f"Class {quoted(most.value)} has {most.rows:,} rows, class {quoted(least.value)} has"
        f" {least.rows:,}: always predicting the first is right in {share:.0%} of all rows. Set"
        ' class_weight to "balanced", stratify the split, and use f1_score or auc instead of'
        " accuracy."
    )
    yield ("training", "class_weight"), message


def _features_that(case: Case, test: Callable[[Column, int], bool]) -> list[str]:
    """The names of feature columns for which `test` of the column and the rows is true."""
    dataset = case.dataset
    if not isinstance(dataset, UploadDataset) or dataset.stored is None:
        return []
    return [
        column.name
        for column in dataset.stored.columns or ()
        if column.name != dataset.target and test(column, dataset.stored.rows)
    ]


def _text_features(case: Case) -> Iterator[Column]:
    """Text feature columns as in the file, with their values if there are few."""
    posted = case.spec.dataset
    if not isinstance(posted, UploadDataset) or posted.stored is None:
        return
    names = set(_features_that(case, lambda column, _: column.type is ColumnType.TEXT))
    yield from (column for column in posted.stored.columns or () if column.name in names)


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
