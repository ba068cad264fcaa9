import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ridgeline.formats import (
    ImageEntry,
    InspectionLimits,
    UnusableDataset,
    inspect_dataset,
    open_images,
)
from ridgeline.spec.dataset.contents import DatasetFormat, ImageFolder
from tests.unit.formats.refusals import refusal

Write = Callable[[Mapping[str, bytes]], Path]
Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(members: Mapping[str, bytes]) -> Path:
        path = tmp_path / "images.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path

    return write


def encoded(image: Image.Image | Pixels, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(stream, kind, **options)
    return stream.getvalue()


def noise(height: int, width: int, channels: int = 3) -> Pixels:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


PNG = encoded(noise(4, 6))
JPEG = encoded(noise(64, 64), "JPEG")
PAIR = {"a/1.png": PNG, "b/1.png": PNG}


def folder(path: Path) -> ImageFolder:
    images = inspect_dataset(path, DatasetFormat.IMAGES).images
    assert images is not None
    return images


def decoded(path: Path, name: str, height: int, width: int, channels: int) -> Pixels:
    with open_images(path) as images:
        entry = next(entry for entry in images.entries if entry.name == name)
        return images.decode(entry, height, width, channels)


class TestLayout:
    def test_folders_become_classes_in_alphabetical_order(self, write: Write) -> None:
        path = write({"cats/2.png": PNG, "dogs/1.png": PNG, "cats/10.png": PNG})
        with open_images(path) as images:
            assert images.classes == ("cats", "dogs")
            assert images.counts() == (2, 1)
            assert images.entries == (
                ImageEntry("cats/10.png", 0),
                ImageEntry("cats/2.png", 0),
                ImageEntry("dogs/1.png", 1),
            )
        assert [(item.value, item.rows) for item in folder(path).classes] == [
            ("cats", 2),
            ("dogs", 1),
        ]
        assert inspect_dataset(path).rows == 3

    def test_single_top_folder_is_ignored(self, write: Write) -> None:
        path = write(
            {"pets/": b"", "pets/cats/": b"", "pets/cats/1.png": PNG, "pets/dogs/1.png": PNG}
        )
        with open_images(path) as images:
            assert images.classes == ("cats", "dogs")

    def test_files_of_operating_systems_are_ignored(self, write: Write) -> None:
        junk = {
            "__MACOSX/": b"",
            "__MACOSX/a/._1.png": b"x",
            "a/.DS_Store": b"x",
            "a/Thumbs.db": b"x",
            "b/desktop.ini": b"x",
            "b/._1.png": b"x",
            ".git/config": b"x",
        }
        assert inspect_dataset(write({**junk, **PAIR})).rows == 2

    def test_archive_of_ignored_files_only_is_rejected(self, write: Write) -> None:
        assert refusal(write({"__MACOSX/a/._1.png": b"x"})).rule == "empty"

    def test_image_outside_a_folder_is_rejected(self, write: Write) -> None:
        fault = refusal(write({**PAIR, "3.png": PNG}))
        assert (fault.rule, fault.pointer) == ("layout", "/members/3.png")
        assert "one folder per class" in fault.detail

    def test_nested_folders_are_rejected(self, write: Write) -> None:
        """With train/ and test/ at the top, the real classes would be lost."""
        fault = refusal(write({"train/a/1.png": PNG, "train/b/1.png": PNG, "test/a/1.png": PNG}))
        assert fault.rule == "layout"
        assert "the split of the spec" in fault.detail

    def test_single_class_is_rejected(self, write: Write) -> None:
        fault = refusal(write({"a/1.png": PNG, "a/2.png": PNG}))
        assert (fault.rule, fault.pointer) == ("single-class", "/members/a")

    def test_class_without_images_is_rejected(self, write: Write) -> None:
        fault = refusal(write({**PAIR, "c/": b""}))
        assert (fault.rule, fault.pointer) == ("empty-class", "/members/c")

    def test_class_with_a_long_name_is_rejected(self, write: Write) -> None:
        assert refusal(write({**PAIR, "c" * 201 + "/1.png": PNG})).rule == "unsafe-name"

    def test_image_with_a_long_name_is_accepted(self, write: Write) -> None:
        assert inspect_dataset(write({**PAIR, "a/" + "x" * 250 + ".png": PNG})).rows == 3

    def test_more_classes_than_the_limit_are_rejected(self, write: Write) -> None:
        path = write({f"{number}/1.png": PNG for number in range(4)})
        assert refusal(path, limits=InspectionLimits(classes=3)).rule == "too-many-classes"

    @pytest.mark.parametrize("name", ["a/notes.txt", "a/x.svg", "a/x.tiff", "a/x", "README.md"])
    def test_file_that_is_not_an_image_is_rejected(self, write: Write, name: str) -> None:
        fault = refusal(write({**PAIR, name: b"hello"}))
        assert fault.rule == "not-an-image"
        assert "remove it" in fault.detail

    @pytest.mark.parametrize("name", ["a/more.zip", "a/more.tar.gz", "more.7z"])
    def test_nested_archive_is_rejected(self, write: Write, name: str) -> None:
        assert refusal(write({**PAIR, name: PNG})).rule == "nested-archive"


class TestFormats:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
    def test_size_range_and_channels_are_described(self, write: Write, kind: str) -> None:
        path = write({"a/1.png": encoded(noise(5, 7), kind), "b/1.png": encoded(noise(9, 3), kind)})
        images = folder(path)
        assert (images.height, images.width, images.channels) == ((5, 9), (3, 7), (3,))

    @pytest.mark.parametrize(
        ("mode", "channels"),
        [("1", 1), ("L", 1), ("I;16", 1), ("P", 3), ("RGB", 3), ("LA", 4), ("RGBA", 4)],
    )
    def test_every_png_mode_decodes_to_the_requested_channels(
        self, write: Write, mode: str, channels: int
    ) -> None:
        path = write({"a/1.png": encoded(Image.new(mode, (3, 3))), "b/1.png": PNG})
        assert folder(path).channels == tuple(sorted({channels, 3}))
        for wanted in (1, 3, 4):
            assert decoded(path, "a/1.png", 2, 5, wanted).shape == (2, 5, wanted)

    def test_palette_with_transparency_has_four_channels(self, write: Write) -> None:
        image = Image.new("P", (2, 2))
        path = write({"a/1.png": encoded(image, transparency=b"\0\x80"), "b/1.png": PNG})
        assert folder(path).channels == (3, 4)
        assert decoded(path, "a/1.png", 2, 2, 4)[0, 0, 3] == 0

    def test_cmyk_has_three_channels(self, write: Write) -> None:
        path = write({"a/1.jpg": encoded(Image.new("CMYK", (8, 8)), "JPEG"), "b/1.png": PNG})
        assert folder(path).channels == (3,)

    def test_suffix_of_another_format_is_accepted(self, write: Write) -> None:
        """The bytes decide, not the suffix."""
        assert inspect_dataset(write({"a/1.jpg": PNG, "b/1.png": JPEG})).rows == 2

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"hello",
            b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            encoded(noise(4, 4), "TIFF"),
            encoded(noise(4, 4), "PPM"),
            encoded(noise(4, 4), "TGA"),
        ],
        ids=["nothing", "text", "SVG", "PostScript", "TIFF", "PPM", "TGA"],
    )
    def test_content_of_an_unsupported_format_is_rejected(
        self, write: Write, content: bytes
    ) -> None:
        fault = refusal(write({**PAIR, "a/2.png": content}))
        assert (fault.rule, fault.pointer) == ("not-an-image", "/members/a~12.png")

    def test_single_image_file_is_rejected_with_advice(self, tmp_path: Path) -> None:
        path = tmp_path / "one.png"
        path.write_bytes(PNG)
        fault = refusal(path)
        assert fault.rule == "unknown-format"
        assert "ZIP file of the folders" in fault.detail


class TestPixels:
    def test_pixels_at_the_original_size_are_unchanged(self, write: Write) -> None:
        pixels = noise(5, 7)
        path = write({"a/1.png": encoded(pixels), "b/1.bmp": encoded(pixels, "BMP")})
        for name in ("a/1.png", "b/1.bmp"):
            np.testing.assert_array_equal(decoded(path, name, 5, 7, 3), pixels)

    def test_gray_pixels_are_unchanged(self, write: Write) -> None:
        pixels = noise(5, 7, 1)
        path = write({**PAIR, "a/2.png": encoded(pixels)})
        np.testing.assert_array_equal(decoded(path, "a/2.png", 5, 7, 1)[..., 0], pixels)

    def test_sixteen_bit_pixels_keep_their_upper_eight_bits(self, write: Write) -> None:
        """Pillow's own conversion turns every value above 255 white."""
        pixels = np.array([[0, 255, 256], [32_768, 65_280, 65_535]], np.uint16)
        path = write({**PAIR, "a/2.png": encoded(Image.fromarray(pixels))})
        np.testing.assert_array_equal(
            decoded(path, "a/2.png", 2, 3, 1)[..., 0], [[0, 0, 1], [128, 255, 255]]
        )

    def test_downscaling_averages_pixels(self, write: Write) -> None:
        """A checkerboard becomes gray; picking single pixels would leave it black or white."""
        board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
        path = write({**PAIR, "a/2.png": encoded(board)})
        small = decoded(path, "a/2.png", 8, 8, 1)
        assert np.abs(small.astype(int) - 127).max() <= 2

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, write: Write, orientation: int) -> None:
        """After the TIFF table of where the first row and the first column are."""
        upright = noise(4, 6)
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: upright.transpose(1, 0, 2)[::-1],
            7: upright.transpose(1, 0, 2)[::-1, ::-1],
            8: upright.transpose(1, 0, 2)[:, ::-1],
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = write({**PAIR, "a/2.png": encoded(np.ascontiguousarray(stored), exif=exif)})
        assert (folder(path).height, folder(path).width) == ((4, 4), (6, 6))
        np.testing.assert_array_equal(decoded(path, "a/2.png", 4, 6, 3), upright)

    def test_large_jpeg_decodes_close_to_the_resized_original(self, write: Write) -> None:
        """It is decoded at a fraction of its size, then resized."""
        ramp = np.linspace(0, 255, 512).astype(np.uint8)
        image = Image.fromarray(np.broadcast_to(ramp, (512, 512)).copy())
        path = write({**PAIR, "a/2.jpg": encoded(image, "JPEG", quality=95)})
        expected = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), int)
        assert np.abs(decoded(path, "a/2.jpg", 32, 32, 1)[..., 0] - expected).max() <= 3

    def test_images_decode_correctly_in_parallel(self, write: Write) -> None:
        pixels = [np.full((8, 8, 3), number, np.uint8) for number in range(200)]
        path = write({f"{n % 2}/{n:03}.png": encoded(image) for n, image in enumerate(pixels)})
        with open_images(path) as images, ThreadPoolExecutor(8) as pool:
            read = pool.map(lambda entry: images.decode(entry, 8, 8, 3), images.entries)
            for entry, image in zip(images.entries, read, strict=True):
                np.testing.assert_array_equal(image, pixels[int(entry.name[2:5])])

    def test_animation_decodes_to_its_first_frame(self, write: Write) -> None:
        frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
        gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        path = write({**PAIR, "a/2.gif": gif})
        assert tuple(decoded(path, "a/2.gif", 1, 1, 3)[0, 0]) == (255, 0, 0)


class TestBombs:
    @pytest.mark.parametrize("side", [50_000, 2**31 - 1])
    def test_png_with_huge_declared_size_is_rejected(self, write: Write, side: int) -> None:
        fault = refusal(write({**PAIR, "a/2.png": huge_png(side)}))
        assert (fault.rule, fault.pointer) == ("image-bomb", "/members/a~12.png")

    def test_jpeg_with_huge_declared_size_is_rejected(self, write: Write) -> None:
        place = JPEG.index(b"\xff\xc0") + 5
        huge = JPEG[:place] + struct.pack(">2H", 65_000, 65_000) + JPEG[place + 4 :]
        assert refusal(write({**PAIR, "a/2.jpg": huge})).rule == "image-bomb"

    def test_gif_with_huge_declared_size_is_rejected(self, write: Write) -> None:
        gif = bytearray(encoded(noise(4, 4), "GIF"))
        gif[6:10] = struct.pack("<2H", 65_535, 65_535)
        assert refusal(write({**PAIR, "a/2.gif": bytes(gif)})).rule == "image-bomb"

    def test_gif_frame_larger_than_its_screen_is_rejected(self, write: Write) -> None:
        gif = bytearray(encoded(noise(4, 4), "GIF"))
        place = gif.index(b",", 13 + 3 * 2 ** ((gif[10] & 7) + 1))
        gif[place + 5 : place + 9] = struct.pack("<2H", 65_535, 65_535)
        assert refusal(write({**PAIR, "a/2.gif": bytes(gif)})).rule == "image-bomb"

    def test_bmp_with_huge_declared_size_is_rejected(self, write: Write) -> None:
        bmp = bytearray(encoded(noise(4, 4), "BMP"))
        bmp[18:26] = struct.pack("<2i", 60_000, 60_000)
        assert refusal(write({**PAIR, "a/2.bmp": bytes(bmp)})).rule == "image-bomb"

    @pytest.mark.parametrize("chunk", ["VP8X", "VP8L", "VP8 "])
    def test_webp_with_huge_declared_size_is_rejected(self, write: Write, chunk: str) -> None:
        assert refusal(write({**PAIR, "a/2.webp": huge_webp(chunk)})).rule == "image-bomb"

    def test_image_at_the_pixel_limit_is_accepted(self, write: Write) -> None:
        path = write({**PAIR, "a/2.png": encoded(noise(10, 10))})
        assert inspect_dataset(path, limits=InspectionLimits(image_pixels=100)).rows == 3
        fault = refusal(path, limits=InspectionLimits(image_pixels=99))
        assert "10 × 10 pixels" in fault.detail

    def test_image_file_above_the_byte_limit_is_rejected(self, write: Write) -> None:
        path = write({**PAIR, "a/2.png": PNG + b"\0" * 1000})
        fault = refusal(path, limits=InspectionLimits(image_bytes=1000))
        assert fault.rule == "image-bomb"

    def test_gif_of_a_hundred_thousand_frames_is_inspected_quickly(self, write: Write) -> None:
        gif = encoded(Image.new("P", (1, 1)), "GIF")
        start = gif.index(b",")
        path = write({**PAIR, "a/2.gif": gif[:start] + gif[start:-1] * 100_000 + b";"})
        before = time.process_time()
        assert inspect_dataset(path).rows == 3
        assert time.process_time() - before < 1

    def test_png_comment_that_inflates_to_megabytes_is_rejected(self, write: Write) -> None:
        """20 MB of text in a compressed comment."""
        comment = b"k\0\0" + zlib.compress(b"\0" * 20_000_000)
        path = write({**PAIR, "a/2.png": PNG[:33] + png_chunk(b"zTXt", comment) + PNG[33:]})
        assert refusal(path).rule == "damaged-image"


class TestDamage:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
    def test_truncated_image_is_rejected(self, write: Write, kind: str, share: float) -> None:
        content = encoded(noise(64, 64), kind)
        fault = refusal(write({**PAIR, "a/2.png": content[: int(len(content) * share)]}))
        assert fault.rule in ("damaged-image", "not-an-image")
        assert fault.pointer == "/members/a~12.png"

    def test_truncated_jpeg_is_rejected_instead_of_filled_with_gray(self, write: Write) -> None:
        fault = refusal(write({**PAIR, "a/2.jpg": JPEG[:-200]}))
        assert fault.rule == "damaged-image"
        assert "truncated or" in fault.detail

    def test_png_with_a_wrong_checksum_is_rejected(self, write: Write) -> None:
        broken = bytearray(PNG)
        broken[45] ^= 0xFF
        assert refusal(write({**PAIR, "a/2.png": bytes(broken)})).rule == "damaged-image"

    def test_damaged_image_is_rejected_when_decoded(self, write: Write) -> None:
        with (
            open_images(write({**PAIR, "a/2.jpg": JPEG[:-200]})) as images,
            pytest.raises(UnusableDataset),
        ):
            images.decode(images.entries[1], 64, 64, 3)

    def test_damaged_exif_is_ignored(self, write: Write) -> None:
        exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\3\0\0\0\1\0\x63\0\0" * 3
        path = write({**PAIR, "a/2.jpg": encoded(noise(8, 8), "JPEG", exif=exif)})
        assert inspect_dataset(path).rows == 3


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def huge_png(side: int) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + png_chunk(b"IEND", b"")


def huge_webp(chunk: str) -> bytes:
    side = 16_383
    content = {
        "VP8X": b"\0\0\0\0" + (side - 1).to_bytes(3, "little") * 2,
        "VP8L": b"\x2f" + ((side - 1) | (side - 1) << 14).to_bytes(4, "little") + b"\0" * 20,
        "VP8 ": b"\x10\0\0\x9d\x01\x2a" + struct.pack("<2H", side, side) + b"\0" * 20,
    }[chunk]
    body = chunk.encode() + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
