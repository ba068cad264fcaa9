"""Images in a ZIP file, one folder per class. Pillow decodes a few formats only."""

import io
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Self
from zipfile import ZipFile, ZipInfo

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ridgeline.formats.archives import open_member, opened_archive
from ridgeline.formats.errors import FileRule, UnusableDataset, is_plain, shown, unusable
from ridgeline.formats.limits import LIMITS, MAX_NAME_LENGTH, InspectionLimits

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp"})
_ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst"})
_JUNK_FOLDERS = frozenset({"__MACOSX", ".ipynb_checkpoints", "@eaDir"})
_JUNK_FILES = frozenset({"thumbs.db", "desktop.ini"})
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_CHANNELS = {"1": 1, "L": 1, "I": 1, "F": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "LA": 4, "PA": 4}
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap height and width."""


@dataclass(frozen=True)
class ImageEntry:
    """One image, which is one row of the data set."""

    name: str
    """Its path in the ZIP file."""
    class_index: int
    """Index of its folder's name in `Images.classes`."""


def open_images(path: Path, limits: InspectionLimits = LIMITS) -> "Images":
    """The images of a ZIP file with one folder per class.

    Raises UnusableDataset if the folders are not classes, or a member's name is not an image's.
    The images themselves are checked when they are decoded.
    """
    archive = opened_archive(path, limits)
    try:
        classes, entries = _sorted_out(archive.infolist(), limits)
    except BaseException:
        archive.close()
        raise
    return Images(archive, classes, entries, limits)


@dataclass(frozen=True)
class Picture:
    """Size and channels of an image after its EXIF orientation."""

    height: int
    width: int
    channels: int
    """1 gray, 3 color, 4 with transparency."""


@dataclass(frozen=True)
class Images:
    """An open ZIP file of images; close it, or use it in a `with` block.

    Threads may decode at the same time.
    """

    archive: ZipFile
    classes: tuple[str, ...]
    """The folders' names, sorted."""
    entries: Sequence[ImageEntry]
    """The images, sorted by class and name."""
    limits: InspectionLimits
    _reading: Lock = field(default_factory=Lock, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.archive.close()

    def counts(self) -> tuple[int, ...]:
        """The number of images in each class."""
        counts = Counter(entry.class_index for entry in self.entries)
        return tuple(counts[index] for index in range(len(self.classes)))

    def examine(self, entry: ImageEntry) -> Picture:
        """Size and channels of an image, after decoding it whole.

        Raises UnusableDataset if it is not an image, damaged, or too large.
        """
        return examined(self._content(entry), entry.name, self.limits)

    def decode(
        self, entry: ImageEntry, height: int, width: int, channels: int
    ) -> npt.NDArray[np.uint8]:
        """An image as (height, width, channels), oriented by its EXIF data and resized.

        Resizing is bilinear with antialiasing; `channels` is 1 (gray), 3 (RGB) or 4 (RGBA).
        Raises UnusableDataset as `examine` does.
        """
        size = (height, width)
        return decoded(self._content(entry), entry.name, size, channels, self.limits)

    def _content(self, entry: ImageEntry) -> bytes:
        with self._reading, open_member(self.archive, entry.name) as stream:
            return stream.read()


def _sorted_out(
    members: Sequence[ZipInfo], limits: InspectionLimits
) -> tuple[tuple[str, ...], tuple[ImageEntry, ...]]:
    """The classes and the images, without the files that operating systems leave."""
    kept = [member for member in members if not _is_junk(PurePosixPath(member.filename))]
    files = [member for member in kept if not member.is_dir()]
    if not files:
        raise unusable(
            FileRule.EMPTY,
            "the ZIP file holds no images, expected one folder of images per class, such as"
            " cats/1.png and dogs/1.png",
        )
    for file in files:
        _check_file(file, limits)
    root = _common_root(files)
    by_class: dict[str, list[str]] = {}
    for file in files:
        by_class.setdefault(_class_of(file.filename, root), []).append(file.filename)
    _check_classes(by_class, _folders(kept, root), limits)
    classes = tuple(sorted(by_class))
    entries = tuple(
        ImageEntry(name, index)
        for index, folder in enumerate(classes)
        for name in sorted(by_class[folder])
    )
    return classes, entries


def _is_junk(path: PurePosixPath) -> bool:
    """Whether an operating system left the file there, not the user."""
    name = path.name.lower()
    return name in _JUNK_FILES or any(
        part.startswith(".") or part in _JUNK_FOLDERS for part in path.parts
    )


def _check_file(file: ZipInfo, limits: InspectionLimits) -> None:
    suffix = PurePosixPath(file.filename).suffix.lower()
    where = ("members", file.filename)
    if suffix in _ARCHIVES:
        raise unusable(
            FileRule.NESTED_ARCHIVE,
            f"member {shown(file.filename)} is an archive, expected images: unpack it, and zip its"
            " folders",
            *where,
        )
    if suffix not in _SUFFIXES:
        raise unusable(
            FileRule.NOT_AN_IMAGE,
            f"member {shown(file.filename)} does not have an image's name, expected PNG, JPEG, GIF,"
            " BMP or WebP: remove it, or convert it",
            *where,
        )
    if file.file_size > limits.image_bytes:
        raise unusable(
            FileRule.IMAGE_BOMB,
            f"image {shown(file.filename)} has {file.file_size:,} bytes, expected at most"
            f" {limits.image_bytes:,}: make it smaller",
            *where,
        )


def _common_root(files: Iterable[ZipInfo]) -> str | None:
    """The folder around all class folders, if the ZIP file has one."""
    parts = [PurePosixPath(file.filename).parts for file in files]
    tops = {names[0] for names in parts}
    return tops.pop() if len(tops) == 1 and all(len(names) == 3 for names in parts) else None  # noqa: PLR2004 # root, class, image


def _class_of(name: str, root: str | None) -> str:
    folders = PurePosixPath(name).parts[1 if root else 0 : -1]
    if len(folders) == 1:
        return folders[0]
    where = "in no folder" if not folders else f"{len(folders)} folders deep"
    raise unusable(
        FileRule.LAYOUT,
        f"image {shown(name)} is {where}, expected one folder per class with its images, such as"
        " cats/1.png and dogs/1.png: move it. Merge folders such as train and test: the split of"
        " the spec divides the rows",
        "members",
        name,
    )


def _folders(members: Iterable[ZipInfo], root: str | None) -> set[str]:
    """The folders that the ZIP file lists at the level of the classes."""
    depth = 2 if root else 1
    paths = (PurePosixPath(member.filename) for member in members if member.is_dir())
    return {path.name for path in paths if len(path.parts) == depth}


def _check_classes(
    by_class: dict[str, list[str]], folders: set[str], limits: InspectionLimits
) -> None:
    empty = sorted(folders - by_class.keys())
    if empty:
        raise unusable(
            FileRule.EMPTY_CLASS,
            f"folder {shown(empty[0])} holds no images, expected at least one per class: add some,"
            " or remove the folder",
            "members",
            empty[0],
        )
    if len(by_class) == 1:
        (only,) = by_class
        raise unusable(
            FileRule.SINGLE_CLASS,
            f"all images are in the folder {shown(only)}, expected at least two classes: add a"
            " folder with the images of another class",
            "members",
            only,
        )
    if len(by_class) > limits.classes:
        raise unusable(
            FileRule.TOO_MANY_CLASSES,
            f"the ZIP file has {len(by_class):,} folders, expected at most {limits.classes:,}"
            " classes: put every image into its class's folder",
            "members",
        )
    for folder in by_class:
        if not is_plain(folder):
            raise unusable(
                FileRule.UNSAFE_NAME,
                f"the folder {shown(folder)} has a name of {len(folder)} characters, expected at"
                f" most {MAX_NAME_LENGTH}: give the class a shorter one",
                "members",
                folder,
            )


def examined(content: bytes, name: str, limits: InspectionLimits) -> Picture:
    """Size and channels of an image, decoded whole. Raises UnusableDataset if it cannot be."""
    with _opened(content, name, limits) as image:
        channels = _channels(image)
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        width, height = image.size
        # draft() decodes a JPEG at an eighth of its size, but still reads all of its bytes.
        image.draft(image.mode, (1, 1))
        image.load()
    return Picture(width, height, channels) if turned else Picture(height, width, channels)


def decoded(
    content: bytes, name: str, size: tuple[int, int], channels: int, limits: InspectionLimits
) -> npt.NDArray[np.uint8]:
    """The image's pixels (height, width, channels), resized to `size`. Raises UnusableDataset."""
    height, width = size
    with _opened(content, name, limits) as image:
        if image.getexif().get(_ORIENTATION, 1) == 1:
            image.draft(image.mode, (2 * width, 2 * height))
        picture = _converted(ImageOps.exif_transpose(image), _MODES[channels])
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture, np.uint8).reshape(height, width, channels)


@contextmanager
def _opened(content: bytes, name: str, limits: InspectionLimits) -> Iterator[Image.Image]:
    """The open image, its size checked; Pillow's errors become UnusableDataset."""
    _check_webp(content, name, limits)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_size(*image.size, name, limits)
            yield image
    except UnusableDataset:
        raise
    except UnidentifiedImageError as error:
        raise unusable(
            FileRule.NOT_AN_IMAGE,
            f"member {shown(name)} is not an image, expected PNG, JPEG, GIF, BMP or WebP: remove"
            " it, convert it, or replace it if it is damaged",
            "members",
            name,
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name, "too many pixels", limits) from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise almost anything at a damaged file
        raise unusable(
            FileRule.DAMAGED_IMAGE,
            f"image {shown(name)} cannot be decoded ({shown(str(error))}): it is truncated or"
            " damaged; replace or remove it",
            "members",
            name,
        ) from error


def _channels(image: Image.Image) -> int:
    if image.mode in _CHANNELS:
        transparent = image.mode in ("LA", "PA")
        return 4 if transparent or "transparency" in image.info else _CHANNELS[image.mode]
    return 4 if image.has_transparency_data else 3


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """The image in `mode`; of 16 bits the upper eight are kept, nothing is clipped."""
    if image.mode.startswith("I"):
        values = np.asarray(image, np.int64)
        image = Image.fromarray((values.clip(0, 65_535) >> 8).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _check_size(width: int, height: int, name: str, limits: InspectionLimits) -> None:
    if width * height > limits.image_pixels:
        raise _bomb(name, f"{width:,} × {height:,} pixels", limits)


def _check_webp(content: bytes, name: str, limits: InspectionLimits) -> None:
    """Check the size of a WebP image, for which Pillow allocates memory before it reports it.

    https://developers.google.com/speed/webp/docs/riff_container
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:  # noqa: PLR2004 # the longest of the three headers
        return
    if content[12:16] == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
    elif content[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    _check_size(width, height, name, limits)


def _bomb(name: str, received: str, limits: InspectionLimits) -> UnusableDataset:
    return unusable(
        FileRule.IMAGE_BOMB,
        f"image {shown(name)} has {received}, expected at most {limits.image_pixels:,} in all: make"
        " it smaller; networks use a few hundred per side",
        "members",
        name,
    )
