"""Limits of data files. Whatever exceeds one is rejected before it takes memory."""

from dataclasses import dataclass

MEBIBYTE = 2**20

MAX_DISTINCT = 10_000
"""Distinct values of a column that are counted; beyond, the count is unknown."""
MAX_DISTINCT_IN_ALL = 1_000_000
"""The same summed over all columns of a wide table, which share it evenly."""
MAX_DISTINCT_BYTES = 64 * MEBIBYTE
"""Memory for the counted values of all columns, shared likewise."""
MAX_LISTED = 1_000
"""Distinct values of a column that are listed with their number of rows."""
MAX_LISTED_IN_ALL = 20_000
"""The same summed over all columns; those with the fewest values come first."""
MAX_LISTED_LENGTH = 200
"""Length limit of a listed value; a column with a longer one lists none."""
MAX_NAME_LENGTH = 200
"""Length limit of the name of a column, an array or a class."""
MAX_PATH_LENGTH = 1_000
"""Length limit of a member's path in a ZIP file."""
BLOCK_BYTES = 2 * MEBIBYTE
"""How much of a file is read at once, about; a longer row is rejected."""
_WIDE_BLOCK_BYTES = 8 * MEBIBYTE
"""The same for tables of more than _WIDE columns, so that a block still holds several rows."""
_WIDE = 512


@dataclass(frozen=True)
class InspectionLimits:
    """The most that a file may hold."""

    columns: int = 4_096
    rows: int = 2**31 - 1
    cell_bytes: int = MEBIBYTE
    """Of one cell of text."""
    arrays: int = 100
    """In an NPZ file."""
    turned_bytes: int = 512 * MEBIBYTE
    """Of an array in Fortran order, which must be in memory whole to be read by rows."""
    members: int = 250_000
    """In a ZIP file: files and folders."""
    classes: int = 10_000
    image_bytes: int = 64 * MEBIBYTE
    """Of one image's file."""
    image_pixels: int = 2**25
    """Of one image: 5,792 × 5,792, or about 33 megapixels."""
    inflated_bytes: int = 256 * 2**30
    """Of all members of a ZIP file, or all cells of a Parquet file."""
    free_bytes: int = 256 * MEBIBYTE
    """Inflated size that is allowed whatever the file's own size."""
    ratio: int = 200
    """Allowed ratio of inflated to stored bytes of a ZIP file, beyond `free_bytes`."""
    table_ratio: int = 5_000
    """The same for a Parquet file, which stores a million equal cells in a few bytes."""


LIMITS = InspectionLimits()


def block_bytes(columns: int) -> int:
    """How many bytes of a table with `columns` columns are read at once."""
    return _WIDE_BLOCK_BYTES if columns > _WIDE else BLOCK_BYTES
