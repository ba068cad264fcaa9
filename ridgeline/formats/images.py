"""Images in a ZIP file, one folder a class.

One image: what its file says, and its pixels. Pillow is asked for a few formats only.
"""

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
from ridgeline.formats.errors import Rule, UnusableDataset, is_plain, shown, unusable
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
    """One image of the data set: a row."""

    name: str
    """Its path in the ZIP file."""
    class_index: int
    """Place of its folder's name in `Images.classes`."""


def open_images(path: Path, limits: InspectionLimits = LIMITS) -> "Images":
    """The images of a ZIP file with one folder of them a class.

    Raises UnusableDataset where the folders are no classes, or a member is no image by its name.
    The images themselves are looked at when they are decoded.
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
    """What an image is like, turned as its EXIF data say."""

    height: int
    width: int
    channels: int
    """1 grey, 3 colours, 4 with transparency."""


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
        """Give the file back."""
        self.archive.close()

    def counts(self) -> tuple[int, ...]:
        """How many images each class has."""
        found = Counter(entry.class_index for entry in self.entries)
        return tuple(found[index] for index in range(len(self.classes)))

    def examine(self, entry: ImageEntry) -> Picture:
        """Size and channels of an image, all of whose pixels are there.

        Raises UnusableDataset where it is none, is damaged, or is too large.
        """
        return examined(self._content(entry), entry.name, self.limits)

    def decode(
        self, entry: ImageEntry, height: int, width: int, channels: int
    ) -> npt.NDArray[np.uint8]:
        """An image as (height, width, channels), turned as its EXIF data say and resized.

        Resizing is bilinear with antialiasing; `channels` is 1 (grey), 3 (RGB) or 4 (RGBA).
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
    """The classes and the images, of what is no junk."""
    kept = [member for member in members if not _is_junk(PurePosixPath(member.filename))]
    files = [member for member in kept if not member.is_dir()]
    if not files:
        raise unusable(
            Rule.EMPTY,
            "the ZIP file holds no image, expected one folder of images a class, such as"
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
    """What operating systems leave in folders: nobody means to upload it."""
    name = path.name.lower()
    return name in _JUNK_FILES or any(
        part.startswith(".") or part in _JUNK_FOLDERS for part in path.parts
    )


def _check_file(file: ZipInfo, limits: InspectionLimits) -> None:
    suffix = PurePosixPath(file.filename).suffix.lower()
    where = ("members", file.filename)
    if suffix in _ARCHIVES:
        raise unusable(
            Rule.NESTED_ARCHIVE,
            f"member {shown(file.filename)} is an archive, expected images: unpack it, and make the"
            " ZIP file of its folders",
            *where,
        )
    if suffix not in _SUFFIXES:
        raise unusable(
            Rule.NOT_AN_IMAGE,
            f"member {shown(file.filename)} is no image by its name, expected PNG, JPEG, GIF, BMP"
            " or WebP: take it out, or convert it",
            *where,
        )
    if file.file_size > limits.image_bytes:
        raise unusable(
            Rule.IMAGE_BOMB,
            f"image {shown(file.filename)} has {file.file_size:,} bytes, expected at most"
            f" {limits.image_bytes:,}: make it smaller",
            *where,
        )


def _common_root(files: Iterable[ZipInfo]) -> str | None:
    """The folder that all classes lie in, where a folder was zipped instead of what is in it."""
    parts = [PurePosixPath(file.filename).parts for file in files]
    tops = {names[0] for names in parts}
    return tops.pop() if len(tops) == 1 and all(len(names) == 3 for names in parts) else None  # noqa: PLR2004 # root, class, image


def _class_of(name: str, root: str | None) -> str:
    folders = PurePosixPath(name).parts[1 if root else 0 : -1]
    if len(folders) == 1:
        return folders[0]
    where = "in no folder" if not folders else f"{len(folders)} folders deep"
    raise unusable(
        Rule.LAYOUT,
        f"image {shown(name)} is {where}, expected one folder a class with its images in it, such"
        " as cats/1.png and dogs/1.png: move it. Folders such as train and test are put together:"
        " the spec's split parts the rows",
        "members",
        name,
    )


def _folders(members: Iterable[ZipInfo], root: str | None) -> set[str]:
    """The folders that the ZIP file lists where classes are."""
    depth = 2 if root else 1
    paths = (PurePosixPath(member.filename) for member in members if member.is_dir())
    return {path.name for path in paths if len(path.parts) == depth}


def _check_classes(
    by_class: dict[str, list[str]], folders: set[str], limits: InspectionLimits
) -> None:
    empty = sorted(folders - by_class.keys())
    if empty:
        raise unusable(
            Rule.EMPTY_CLASS,
            f"folder {shown(empty[0])} holds no image, expected at least one a class: add some, or"
            " take the folder out",
            "members",
            empty[0],
        )
    if len(by_class) == 1:
        (only,) = by_class
        raise unusable(
            Rule.SINGLE_CLASS,
            f"all images are in the folder {shown(only)}, expected two classes or more: add a"
            " folder with the images of another class",
            "members",
            only,
        )
    if len(by_class) > limits.classes:
        raise unusable(
            Rule.TOO_MANY_CLASSES,
            f"the ZIP file has {len(by_class):,} folders, expected at most {limits.classes:,}"
            " classes: put every image into its class's folder",
            "members",
        )
    for folder in by_class:
        if not is_plain(folder):
            raise unusable(
                Rule.UNSAFE_NAME,
                f"the folder {shown(folder)} has a name of {len(folder)} characters, expected at"
                f" most {MAX_NAME_LENGTH}: give the class a shorter one",
                "members",
                folder,
            )


def examined(content: bytes, name: str, limits: InspectionLimits) -> Picture:
    """What the image is like; all of its pixels are there. Raises UnusableDataset elsewhere."""
    with _opened(content, name, limits) as image:
        channels = _channels(image)
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        width, height = image.size
        # A JPEG is decoded at an eighth of its size: all of its bytes are read all the same.
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
    """The image, its size checked. What Pillow raises inside becomes an UnusableDataset."""
    _check_webp(content, name, limits)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_size(*image.size, name, limits)
            yield image
    except UnusableDataset:
        raise
    except UnidentifiedImageError as error:
        raise unusable(
            Rule.NOT_AN_IMAGE,
            f"member {shown(name)} is no image by its bytes, expected PNG, JPEG, GIF, BMP or WebP:"
            " take it out, convert it, or replace it if it is broken",
            "members",
            name,
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name, "too many pixels", limits) from error
    except MemoryError:
        raise
    except Exception as error:  # a decoder raises whatever a broken file leads it to
        raise unusable(
            Rule.DAMAGED_IMAGE,
            f"image {shown(name)} cannot be decoded ({shown(str(error))}): it was cut off or"
            " damaged; replace it or take it out",
            "members",
            name,
        ) from error


def _channels(image: Image.Image) -> int:
    if image.mode in _CHANNELS:
        transparent = image.mode in ("LA", "PA")
        return 4 if transparent or "transparency" in image.info else _CHANNELS[image.mode]
    return 4 if image.has_transparency_data else 3


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """The image with that many channels; 16 bits are cut to their upper eight, not clipped."""
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
    """Pillow makes room for all pixels of a WebP image before it tells how many there are.

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
        Rule.IMAGE_BOMB,
        f"image {shown(name)} has {received}, expected at most {limits.image_pixels:,} in all: make"
        " it smaller, a network sees a few hundred a side",
        "members",
        name,
    )
