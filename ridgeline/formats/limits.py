"""How much of a file is borne. What is beyond is refused by name, before it takes memory."""

from dataclasses import dataclass

MEBIBYTE = 2**20

MAX_DISTINCT = 10_000
"""Different values of a column that are counted; of more there is no number."""
MAX_DISTINCT_IN_ALL = 1_000_000
"""The same over all columns of a wide table, which share it evenly."""
MAX_DISTINCT_BYTES = 64 * MEBIBYTE
"""What the counted values of all columns may take, shared likewise."""
MAX_LISTED = 1_000
"""Different values of a column that are listed with their rows."""
MAX_LISTED_IN_ALL = 20_000
"""The same over all columns: those with the fewest values come first."""
MAX_LISTED_LENGTH = 200
"""Characters of a listed value; a column with a longer one lists none."""
MAX_NAME_LENGTH = 200
"""Characters of the name of a column, an array or a class."""
MAX_PATH_LENGTH = 1_000
"""Characters of the path of a member of a ZIP file."""
BLOCK_BYTES = 2 * MEBIBYTE
"""About how much of a file is read at once: no row of a table may be longer …"""
_WIDE_BLOCK_BYTES = 8 * MEBIBYTE
"""… unless it has very many cells: then there must be enough rows to go through."""
_WIDE = 512


@dataclass(frozen=True)
class InspectionLimits:
    """What a file may hold at most."""

    columns: int = 4_096
    rows: int = 2**31 - 1
    cell_bytes: int = MEBIBYTE
    """Of a cell of text."""
    arrays: int = 100
    """In an NPZ file."""
    turned_bytes: int = 512 * MEBIBYTE
    """Of an array in Fortran order: it has to be in memory whole to be read by rows."""
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
    """What may be inflated whatever the file's size."""
    ratio: int = 200
    """How many times a ZIP file's bytes may be inflated, beyond `free_bytes`."""
    table_ratio: int = 5_000
    """The same of a Parquet file, which says a million equal cells in a few bytes."""


LIMITS = InspectionLimits()


def block_bytes(columns: int) -> int:
    """How much of a table with so many columns is read at once."""
    return _WIDE_BLOCK_BYTES if columns > _WIDE else BLOCK_BYTES
