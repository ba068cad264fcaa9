"""What is in an uploaded file, found by reading all of it once, in bounded memory."""

import math
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeline.formats.arrays import Arrays, open_arrays
from ridgeline.formats.census import Extent
from ridgeline.formats.errors import Rule, shown, unusable
from ridgeline.formats.images import Images, open_images
from ridgeline.formats.layout import layout_of
from ridgeline.formats.limits import LIMITS, MAX_LISTED, InspectionLimits
from ridgeline.formats.sniff import checked_format
from ridgeline.formats.splits import Place
from ridgeline.formats.tables import open_table
from ridgeline.spec.dataset.contents import (
    ArrayMember,
    DatasetContents,
    DatasetFormat,
    ImageFolder,
    ValueCount,
)


def inspect_dataset(
    path: Path,
    format: DatasetFormat | None = None,  # noqa: A002 # as the API calls it
    limits: InspectionLimits = LIMITS,
) -> DatasetContents:
    """The file's contents, all of which can be read. Without `format` the first bytes tell it.

    Raises UnusableDataset where it cannot be trained on, with what to mend.
    """
    try:
        return _inspected(path, checked_format(path, format, limits), limits)
    except MemoryError as error:
        raise unusable(
            Rule.OUT_OF_MEMORY,
            "the file takes more memory to be looked at than there is: write it with smaller cells,"
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


def _member(arrays: Arrays, name: str, place: Place | None) -> ArrayMember:
    """An array, all of whose numbers were read."""
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
    """The counts with the chunk's, or None where there are too many different values."""
    for value, rows in zip(*np.unique(chunk, return_counts=True), strict=True):
        counts[int(value)] = counts.get(int(value), 0) + int(rows)
        if len(counts) > MAX_LISTED:
            return None
    return counts


def _check_finite(ends: tuple[float, float], name: str) -> None:
    """NaN is both the smallest and the largest of any numbers it is among."""
    if not all(map(math.isfinite, ends)):
        raise unusable(
            Rule.NOT_FINITE,
            f"array {shown(name)} holds NaN or an infinite number, expected finite ones: leave"
            " those rows out, or fill them in (np.nan_to_num)",
            "arrays",
            name,
        )


def _folder(images: Images) -> ImageFolder:
    """What the images have in common, each of which was decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, at data beside the pixels that it passes over
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
