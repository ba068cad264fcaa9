"""Readers of data files: what a file holds, and its rows, in bounded memory.

They read the given file alone; nothing in it is executed, and no pickle is loaded.
"""

from ridgeline.formats.arrays import ArrayHeader, Arrays, open_arrays
from ridgeline.formats.cells import texts
from ridgeline.formats.errors import FileRule, UnusableDataset
from ridgeline.formats.images import ImageEntry, Images, open_images
from ridgeline.formats.inspect import inspect_dataset
from ridgeline.formats.limits import LIMITS, InspectionLimits
from ridgeline.formats.tables import Table, open_table

__all__ = [
    "LIMITS",
    "ArrayHeader",
    "Arrays",
    "FileRule",
    "ImageEntry",
    "Images",
    "InspectionLimits",
    "Table",
    "UnusableDataset",
    "inspect_dataset",
    "open_arrays",
    "open_images",
    "open_table",
    "texts",
]
