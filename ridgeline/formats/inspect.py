"""Inspection: detects a file's format and describes its contents.

The whole file is read once, in bounded memory.
"""

import math
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeline.formats.archives import open_archive
from ridgeline.formats.arrays import MAGIC, Arrays, open_arrays
from ridgeline.formats.cells import Extent
from ridgeline.formats.errors import FileRule, UnusableDataset, shown, unusable
from ridgeline.formats.images import Images, open_images
from ridgeline.formats.layout import SplitPlace, layout_of
from ridgeline.formats.limits import LIMITS, MAX_LISTED, InspectionLimits
from ridgeline.formats.tables import open_table
from ridgeline.spec.dataset.contents import (
    ArrayMember,
    DatasetContents,
    DatasetFormat,
    ImageFolder,
    ValueCount,
)

_HEAD_BYTES = 4096
_ZIP = (b"PK\3\4", b"PK\5\6")
_PARQUET = (b"PAR1", b"PARE")
_UNPACK = "unpack it and upload the file inside"
_NO_PICKLE = "pickles are never loaded: save arrays with np.savez, and tables as CSV"
_FOLDERS = "put the images into one folder per class, and upload a ZIP file of the folders"
_BINARY = {
    b"\x1f\x8b": ("gzip", _UNPACK),
    b"BZh": ("bzip2", _UNPACK),
    b"\xfd7zXZ": ("xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("zstd", _UNPACK),
    b"7z\xbc\xaf": ("7z", "make a ZIP file instead"),
    b"Rar!": ("RAR", "make a ZIP file instead"),
    b"\x89HDF": ("HDF5", "save its arrays with np.savez"),
    b"\x80": ("a pickle", _NO_PICKLE),
    b"SQLite format 3": ("a SQLite database", "export the table as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV UTF-8"),
    b"\x89PNG": ("one PNG image", _FOLDERS),
    b"\xff\xd8\xff": ("one JPEG image", _FOLDERS),
    b"ARROW1": ("Arrow IPC (Feather)", "write it as Parquet"),
    b"ORC": ("ORC", "write it as Parquet"),
    b"Obj\x01": ("Avro", "write it as Parquet"),
}
_AS_TABLE = "write it as CSV or Parquet (pandas: read_json(path{lines}).to_csv(out, index=False))"
_TEXT = {
    b"%PDF-": ("PDF", "export its table as CSV"),
    b"<": (
        "HTML or XML",
        "upload the data set itself; a failed download may have saved an error page",
    ),
    b"{": ("JSON", _AS_TABLE.format(lines=", lines=True")),
    b"[": ("JSON", _AS_TABLE.format(lines="")),
}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def inspect_dataset(
    path: Path,
    format: DatasetFormat | None = None,  # noqa: A002 # as the API calls it
    limits: InspectionLimits = LIMITS,
) -> DatasetContents:
    """The file's contents, every byte of which was read. Without `format` the first bytes decide.

    Raises UnusableDataset, with what to fix, if it cannot be trained on.
    """
    try:
        return _inspected(path, checked_format(path, format, limits), limits)
    except MemoryError as error:
        raise unusable(
            FileRule.OUT_OF_MEMORY,
            "inspecting the file takes more memory than is available: write it with smaller cells,"
            " row groups or images",
        ) from error


def _inspected(path: Path, kind: DatasetFormat, limits: InspectionLimits) -> DatasetContents:
    if kind in (DatasetFormat.CSV, DatasetFormat.PARQUET):
        table = open_table(path, kind, limits=limits)
        return DatasetContents(format=kind, rows=table.rows, columns=table.columns)
    if kind is DatasetFormat.IMAGES:
        with open_images(path, limits) as images:
            return DatasetContents(format=kind, rows=len(images.entries), images=_folder(images))
    arrays = open_arrays(path, kind, limits)
    layout = layout_of(arrays.members, limits)
    members = tuple(_member(arrays, name, layout.places.get(name)) for name in arrays.members)
    return DatasetContents(format=kind, rows=layout.rows, split=layout.split, arrays=members)


def _member(arrays: Arrays, name: str, place: SplitPlace | None) -> ArrayMember:
    """Describe an array; reads all of its numbers."""
    header = arrays.members[name]
    is_vector = header.shape[1:] in ((), (1,)) and header.dtype.kind in "iub"
    counts: dict[int, int] | None = {} if is_vector else None
    extent = Extent()
    for chunk in arrays.chunks(name):
        if header.dtype.kind != "b":
            ends = float(chunk.min()), float(chunk.max())
            _check_finite(ends, name)
            extent.include(*ends)
        if counts is not None:
            counts = _counted(counts, chunk)
    return ArrayMember(
        name=name,
        shape=header.shape,
        dtype=header.dtype.name,
        part=place and place.part,
        stem=place and place.stem,
        values=None if counts is None else _listed(counts),
        minimum=extent.minimum,
        maximum=extent.maximum,
    )


def _listed(counts: dict[int, int]) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(value=str(key), rows=counts[key]) for key in sorted(counts))


def _counted(counts: dict[int, int], chunk: npt.NDArray[np.generic]) -> dict[int, int] | None:
    """The counts with the chunk's added, or None if there are too many distinct values."""
    for value, rows in zip(*np.unique(chunk, return_counts=True), strict=True):
        counts[int(value)] = counts.get(int(value), 0) + int(rows)
        if len(counts) > MAX_LISTED:
            return None
    return counts


def _check_finite(ends: tuple[float, float], name: str) -> None:
    """Min and max are both NaN if any number is."""
    if not all(map(math.isfinite, ends)):
        raise unusable(
            FileRule.NOT_FINITE,
            f"array {shown(name)} holds NaN or an infinite number, expected finite ones: leave"
            " those rows out, or fill them in (np.nan_to_num)",
            "arrays",
            name,
        )


def _folder(images: Images) -> ImageFolder:
    """Describe the images; decodes each of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about metadata that it skips
        pictures = {images.examine(entry) for entry in images.entries}
    counts = zip(images.classes, images.counts(), strict=True)
    return ImageFolder(
        height=_extent(picture.height for picture in pictures),
        width=_extent(picture.width for picture in pictures),
        channels=tuple(sorted({picture.channels for picture in pictures})),
        classes=tuple(ValueCount(value=name, rows=rows) for name, rows in counts),
    )


def _extent(sizes: Iterable[int]) -> tuple[int, int]:
    sizes = set(sizes)
    return min(sizes), max(sizes)


def checked_format(
    path: Path, declared: DatasetFormat | None, limits: InspectionLimits
) -> DatasetFormat:
    """The declared format, or the one of the first bytes. Raises UnusableDataset if they differ."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise unusable(
            FileRule.EMPTY, "the file has no bytes, expected a data set: upload it again"
        )
    detected = _by_magic(head, path, limits)
    if declared is None or declared is detected:
        return detected
    raise unusable(
        FileRule.FORMAT_MISMATCH,
        f"the format was given as {declared.value}, but the bytes are {detected.value}: send it as"
        f" {detected.value}, or leave the format out",
    )


def _by_magic(head: bytes, path: Path, limits: InspectionLimits) -> DatasetFormat:
    if head.startswith(MAGIC):
        return DatasetFormat.NPY
    if head.startswith(_ZIP):
        return _of_archive(path, limits)
    # A CSV column may be named ORC or PAR1, so a file without control bytes is text.
    is_binary = _CONTROL.search(head) is not None
    if is_binary and head.startswith(_PARQUET):
        return DatasetFormat.PARQUET
    for magic, (name, fix) in (_BINARY if is_binary else _TEXT).items():
        if head.lstrip().startswith(magic):
            raise _unknown(name, fix)
    return DatasetFormat.CSV


def _of_archive(path: Path, limits: InspectionLimits) -> DatasetFormat:
    with open_archive(path, limits) as archive:
        names = archive.namelist()
    if not names:
        raise unusable(
            FileRule.EMPTY, "the ZIP file is empty, expected arrays, or folders of images"
        )
    if "[Content_Types].xml" in names:
        raise _unknown("an Excel workbook", "save the sheet as CSV UTF-8")
    if any(name.endswith(".npy") for name in names):
        return DatasetFormat.NPZ
    tables = [name for name in names if name.lower().endswith((".csv", ".parquet", ".tsv"))]
    if tables and len(tables) == len(names):
        raise _unknown("a ZIP file of tables", "unpack it and upload one CSV or Parquet file")
    return DatasetFormat.IMAGES


def _unknown(name: str, fix: str) -> UnusableDataset:
    return unusable(FileRule.UNKNOWN_FORMAT, f"the file is {name}, which is not supported: {fix}")
