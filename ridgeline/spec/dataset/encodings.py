"""How a column of an uploaded table becomes numbers."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from ridgeline.spec.schema import Contract, each_once

MAX_CATEGORIES = 1000
"""Of one column: as many different values as the inspection of an upload lists."""
MAX_WORDS = 100_000

MAX_LENGTH = 200
"""Of the name of a column or array, and of a category: as the inspection of an upload bears."""

ColumnName = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
Categories = Annotated[
    tuple[Annotated[str, Field(max_length=MAX_LENGTH)], ...],
    # Not strict: behind a validator of names a JSON list comes as a Python list, not as a tuple.
    Field(min_length=1, max_length=MAX_CATEGORIES, fail_fast=True, strict=False),
    AfterValidator(each_once),
]


class NumberEncoding(Contract):
    """The number itself, in one column; true is 1 and false 0. The scaling acts on it."""

    type: Literal["number"] = "number"
    missing: Literal["error", "mean", "zero"] = "error"
    """What stands for a missing value: `mean` is that of the training rows which have one; `error`
    refuses a column with missing values."""


class OneHotEncoding(Contract):
    """One column a category: 1 in the value's own and else 0. A missing value has no 1."""

    type: Literal["one_hot"] = "one_hot"
    categories: Categories | None = None
    """In the order of their columns; by default every value of the file, sorted. Numbers and
    booleans stand there as text too: `"3"`, `"true"`."""


class OrdinalEncoding(Contract):
    """The category's number in one column, from 1 on; 0 for a missing value.

    The scaling acts on it: with `scaling` none, a table of ordinals alone is what an Embedding
    reads.
    """

    type: Literal["ordinal"] = "ordinal"
    categories: Categories | None = None
    """In ascending order; by default every value of the file, sorted. Numbers and booleans stand
    there as text too: `"3"`, `"true"`."""


class MultiHotEncoding(Contract):
    """Which words a text says: `num_words` columns, 1 where the word occurs in it and else 0.

    A text is put in lower case, loses the 32 ASCII punctuation marks, and is split at white space;
    a missing one has no words. The words are those of the training rows, the most frequent first
    (among equals the one that sorts last). Column 0 says whether any other word occurs, column k
    whether word k does, as in a TextVectorization with output_mode multi_hot.
    """

    type: Literal["multi_hot"] = "multi_hot"
    num_words: Annotated[int, Field(ge=2, le=MAX_WORDS)] = 1000


class SequenceEncoding(Contract):
    """The numbers of a text's words in their order, for an Embedding; it is then the only feature.

    Words are found as for multi_hot. 0 is padding, 1 any other word, the most frequent word is 2,
    as in a TextVectorization with output_mode int.
    """

    type: Literal["sequence"] = "sequence"
    num_words: Annotated[int, Field(ge=3, le=MAX_WORDS)] = 10_000
    """How many numbers are used; word numbers are below it."""
    maxlen: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Length of a sequence: a longer text loses its beginning, before a shorter one zeros are put
    (as keras.utils.pad_sequences does)."""


def _spell_out(value: Any) -> Any:
    """Let `"one_hot"` stand for `{"type": "one_hot"}`."""
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
