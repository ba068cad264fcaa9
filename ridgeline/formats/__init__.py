"""Readers of uploaded data sets: what is in a file, and its rows, in bounded memory.

No I/O but the file they are given; nothing in a file is ever run, and no pickle is loaded.
"""

from ridgeline.formats.arrays import ArrayHeader, Arrays, open_arrays
from ridgeline.formats.cells import texts
from ridgeline.formats.errors import Rule, UnusableDataset
from ridgeline.formats.images import ImageEntry, Images, open_images
from ridgeline.formats.inspect import inspect_dataset
from ridgeline.formats.limits import LIMITS, InspectionLimits
from ridgeline.formats.tables import Table, open_table

__all__ = [
    "LIMITS",
    "ArrayHeader",
    "Arrays",
    "ImageEntry",
    "Images",
    "InspectionLimits",
    "Rule",
    "Table",
    "UnusableDataset",
    "inspect_dataset",
    "open_arrays",
    "open_images",
    "open_table",
    "texts",
]
