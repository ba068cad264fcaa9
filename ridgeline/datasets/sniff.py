"""Which format a file is in, by its first bytes."""

from pathlib import Path

from ridgeline.contract.dataset.stored import DatasetFormat
from ridgeline.datasets.archives import open_archive
from ridgeline.datasets.errors import Rule, UnusableDataset, unusable
from ridgeline.datasets.limits import InspectionLimits
from ridgeline.datasets.npy import MAGIC

_HEAD_BYTES = 4096
_ZIP = (b"PK\3\4", b"PK\5\6")
_PARQUET = (b"PAR1", b"PARE")
_FIX = "convert it to CSV, Parquet, NPZ, NPY (two arrays), or a ZIP file of images in class folders"
_OTHERS = {
    b"\x1f\x8b": ("gzip", "unpack it (gunzip) and upload what is inside"),
    b"BZh": ("bzip2", "unpack it and upload what is inside"),
    b"\xfd7zXZ": ("xz", "unpack it and upload what is inside"),
    b"7z\xbc\xaf": ("7z", "make a ZIP file instead"),
    b"Rar!": ("RAR", "make a ZIP file instead"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unpack it and upload what is inside"),
    b"\x89HDF": ("HDF5", "save its arrays with np.savez"),
    b"\x80\x02": ("a pickle", "pickles are never loaded: save arrays with np.savez, tables as CSV"),
    b"\x80\x03": ("a pickle", "pickles are never loaded: save arrays with np.savez, tables as CSV"),
    b"\x80\x04": ("a pickle", "pickles are never loaded: save arrays with np.savez, tables as CSV"),
    b"\x80\x05": ("a pickle", "pickles are never loaded: save arrays with np.savez, tables as CSV"),
    b"SQLite format 3": ("a SQLite database", "export the table as CSV"),
    b"%PDF": ("PDF", "export its table as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV UTF-8"),
    b"\x89PNG": ("one PNG image", "put images into one folder a class, and zip the folders"),
    b"\xff\xd8\xff": ("one JPEG image", "put images into one folder a class, and zip the folders"),
    b"ARROW1": ("Arrow IPC (Feather)", "write it as Parquet"),
    b"ORC": ("ORC", "write it as Parquet"),
    b"Obj\x01": ("Avro", "write it as Parquet"),
}


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
    if head.startswith(_PARQUET):
        return DatasetFormat.PARQUET
    if head.startswith(MAGIC):
        return DatasetFormat.NPY
    if head.startswith(_ZIP):
        return _of_archive(path, limits)
    for magic, (name, fix) in _OTHERS.items():
        if head.startswith(magic):
            raise _unknown(name, fix)
    return DatasetFormat.CSV


def _of_archive(path: Path, limits: InspectionLimits) -> DatasetFormat:
    with open_archive(path, limits) as archive:
        names = archive.namelist()
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
