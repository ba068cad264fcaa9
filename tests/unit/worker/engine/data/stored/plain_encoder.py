"""Encodes a raw row by `features.json`, as any user could: plain Python, nothing of ours."""

import string
from collections.abc import Mapping
from typing import Any


def encode(row: Mapping[str, str], features: Mapping[str, Any]) -> list[float]:
    """The numbers the saved model takes, of a row of a CSV file."""
    numbers = [0.0] * features["shape"][0]
    for column in features["columns"]:
        cell, first = row[column["name"]], column["first"]
        match column["encoding"]:
            case "number":
                booleans = {"true": 1, "false": 0, "": column.get("missing")}
                numbers[first] = float(booleans.get(cell.lower(), cell))
            case "one_hot":
                if cell in column["categories"]:
                    numbers[first + column["categories"].index(cell)] = 1
            case "ordinal":
                if cell in column["categories"]:
                    numbers[first] = 1 + column["categories"].index(cell)
            case "multi_hot":
                for number in _numbers_of_words(cell, column):
                    numbers[first + number] = 1
            case "sequence":
                said = _numbers_of_words(cell, column)[-column["width"] :]
                numbers[len(numbers) - len(said) :] = said
    return numbers


def _numbers_of_words(text: str, column: Mapping[str, Any]) -> list[int]:
    known = {word: column["first_word"] + k for k, word in enumerate(column["words"])}
    without_marks = text.lower().translate(str.maketrans("", "", string.punctuation))
    return [known.get(word, column["unknown"]) for word in without_marks.split()]
