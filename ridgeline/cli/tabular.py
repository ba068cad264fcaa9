"""Curves as lines for programs."""

import csv
import json
from typing import TextIO

from ridgeline.api.curves import Curves


def write_csv(curves: Curves, file: TextIO) -> None:
    """One line an epoch, with the columns of GET /jobs/{id}/curves as `text/csv`.

    A value that was not finite is empty, and named in the last column.
    """
    writer = csv.writer(file, lineterminator="\n")
    columns = {**curves.series, **curves.penalty_by_layer}
    marked = {name: set(epochs) for name, epochs in curves.nonfinite.items()}
    writer.writerow(["epoch", *columns, "nonfinite"])
    for index, epoch in enumerate(curves.epoch):
        values = [column[index] for column in columns.values()]
        marks = [name for name, epochs in marked.items() if epoch in epochs]
        writer.writerow([epoch, *values, " ".join(marks)])


def write_ndjson(curves: Curves, file: TextIO) -> None:
    """One object an epoch: its number, every series, and each layer's penalty."""
    columns = curves.to_dict()
    file.writelines(
        json.dumps(dict(zip(columns, row, strict=True))) + "\n"
        for row in zip(*columns.values(), strict=True)
    )
