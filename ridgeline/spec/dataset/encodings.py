"""How a column of a stored table becomes numbers."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from ridgeline.spec.schema import Contract, each_once

MAX_CATEGORIES = 1000
"""Most categories of one column, as many as the inspection of a stored data set lists."""
MAX_WORDS = 100_000

MAX_LENGTH = 200
"""Most characters of a column's or array's name and of a category, as in the inspection."""

ColumnName = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
Categories = Annotated[
    tuple[Annotated[str, Field(max_length=MAX_LENGTH)], ...],
    # Not strict: after the validator of short forms, a JSON list arrives as a Python list.
    Field(min_length=1, max_length=MAX_CATEGORIES, fail_fast=True, strict=False),
    AfterValidator(each_once),
]


class NumberEncoding(Contract):
    """The number itself, in one column; true is 1 and false 0. The scaling acts on it."""

    type: Literal["number"] = "number"
    missing: Literal["error", "mean", "zero"] = "error"
    """What replaces a missing value: `mean` of the training rows' values, or `zero`. `error`
    rejects a column with missing values."""


class OneHotEncoding(Contract):
    """One column per category: 1 in the value's column, 0 elsewhere. A missing value is all 0."""

    type: Literal["one_hot"] = "one_hot"
    categories: Categories | None = None
    """The categories in the order of their columns; by default every value of the file, sorted.
    Write numbers and booleans as text too: `"3"`, `"true"`."""


class OrdinalEncoding(Contract):
    """The category's number in one column, from 1; 0 for a missing value.

    The scaling acts on it. With `scaling` none, an Embedding can read a table of ordinals alone.
    """

    type: Literal["ordinal"] = "ordinal"
    categories: Categories | None = None
    """The categories in ascending order; by default every value of the file, sorted. Write numbers
    and booleans as text too: `"3"`, `"true"`."""


class MultiHotEncoding(Contract):
    """Which words occur in a text: `num_words` columns, 1 if the word occurs, else 0.

    A text is lowercased, stripped of the 32 ASCII punctuation marks, and split at white space; a
    missing one has no words. The vocabulary is fitted on the training rows, the most frequent word
    first (of equally frequent ones, the last in sort order). Column 0 is for all other words,
    column k for word k, as in a TextVectorization with output_mode multi_hot.
    """

    type: Literal["multi_hot"] = "multi_hot"
    num_words: Annotated[int, Field(ge=2, le=MAX_WORDS)] = 1000
    """Number of columns."""


class SequenceEncoding(Contract):
    """The numbers of a text's words in order, for an Embedding. It must be the only feature.

    Words are split as for multi_hot. 0 is padding, 1 any word outside the vocabulary, 2 the most
    frequent word, as in a TextVectorization with output_mode int.
    """

    type: Literal["sequence"] = "sequence"
    num_words: Annotated[int, Field(ge=3, le=MAX_WORDS)] = 10_000
    """Size of the vocabulary; word numbers are below it."""
    maxlen: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Length of a sequence. A longer text is cut at its beginning, a shorter one padded with zeros
    in front (as in keras.utils.pad_sequences)."""


def _spell_out(value: Any) -> Any:
    """Expand `"one_hot"` to `{"type": "one_hot"}`."""
    return {"type": value} if isinstance(value, str) else value


_Any = NumberEncoding | OneHotEncoding | OrdinalEncoding | MultiHotEncoding | SequenceEncoding
EncodingName = Literal["number", "one_hot", "ordinal", "multi_hot", "sequence"]
ENCODINGS: dict[str, type[_Any]] = {
    model.model_fields["type"].default: model for model in get_args(_Any)
}
CategoryEncoding = OneHotEncoding | OrdinalEncoding
TextEncoding = MultiHotEncoding | SequenceEncoding

_EncodingModel = Annotated[_Any, Field(discriminator="type")]
Encoding = Annotated[
    _EncodingModel,
    BeforeValidator(_spell_out, json_schema_input_type=_EncodingModel | EncodingName),
]
