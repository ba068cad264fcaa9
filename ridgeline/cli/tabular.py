"""Curves as lines for programs."""

import json
from typing import TextIO

from ridgeline.api.curves import Curves


def write_ndjson(curves: Curves, file: TextIO) -> None:
    """One object an epoch: its number, every series, and each layer's penalty."""
    columns = curves.to_dict()
    file.writelines(
        json.dumps(dict(zip(columns, row, strict=True))) + "\n"
        for row in zip(*columns.values(), strict=True)
    )
