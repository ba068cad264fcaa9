"""Which format a file is in, by its first bytes."""

import re
from pathlib import Path

from ridgeline.formats.archives import open_archive
from ridgeline.formats.errors import Rule, UnusableDataset, unusable
from ridgeline.formats.limits import InspectionLimits
from ridgeline.formats.npy import MAGIC
from ridgeline.spec.dataset.contents import DatasetFormat

_HEAD_BYTES = 4096
_ZIP = (b"PK\3\4", b"PK\5\6")
_PARQUET = (b"PAR1", b"PARE")
_UNPACK = "unpack it and upload what is inside"
_NO_PICKLE = "pickles are never loaded: save arrays with np.savez, and tables as CSV"
_FOLDERS = "put images into one folder a class, and upload a ZIP file of the folders"
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
    b"<": ("HTML or XML", "upload the data set itself: a download may have given an error page"),
    b"{": ("JSON", _AS_TABLE.format(lines=", lines=True")),
    b"[": ("JSON", _AS_TABLE.format(lines="")),
}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def checked_format(
    path: Path, said: DatasetFormat | None, limits: InspectionLimits
) -> DatasetFormat:
    """The format as said, or else by the first bytes. Raises UnusableDataset if they differ."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise unusable(Rule.EMPTY, "the file has no bytes, expected a data set: upload it again")
    found = _by_magic(head, path, limits)
    if said is None or said is found:
        return found
    raise unusable(
        Rule.FORMAT_MISMATCH,
        f"the file is said to be {said.value}, but by its bytes it is {found.value}: send it as"
        f" {found.value}, or leave the format out",
    )


def _by_magic(head: bytes, path: Path, limits: InspectionLimits) -> DatasetFormat:
    if head.startswith(MAGIC):
        return DatasetFormat.NPY
    if head.startswith(_ZIP):
        return _of_archive(path, limits)
    # A column may be named ORC or PAR1: a file of letters is text.
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
            Rule.EMPTY, "the ZIP file holds nothing, expected arrays, or folders of images"
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
    return unusable(Rule.UNKNOWN_FORMAT, f"the file is {name}, which is not read: {fix}")
