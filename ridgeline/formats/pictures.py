"""One image: what its file says, and its pixels. Pillow is asked for a few formats only."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ridgeline.formats.errors import Rule, UnusableDataset, shown, unusable
from ridgeline.formats.limits import InspectionLimits

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_CHANNELS = {"1": 1, "L": 1, "I": 1, "F": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "LA": 4, "PA": 4}
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap height and width."""


@dataclass(frozen=True)
class Picture:
    """What an image is like, turned as its EXIF data say."""

    height: int
    width: int
    channels: int
    """1 grey, 3 colours, 4 with transparency."""


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
