import io
import stat
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ridgeline.formats import InspectionLimits, inspect_dataset
from ridgeline.spec.dataset.contents import DatasetFormat
from tests.unit.formats.refusals import refusal
from tests.unit.formats.zips import Entry, archive, end_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "images.zip"


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (2, 2)).save(stream, "PNG")
    return stream.getvalue()


PNG = png()
HONEST = (Entry(b"a/1.png", PNG), Entry(b"b/1.png", PNG))


def write(path: Path, entries: Sequence[Entry] = HONEST, **options: bool) -> Path:
    path.write_bytes(archive(entries, **options))
    return path


@pytest.mark.parametrize("zip64", [False, True])
def test_archive_without_tricks_is_accepted(path: Path, zip64: bool) -> None:
    """Otherwise the rejections below could have another reason."""
    assert inspect_dataset(write(path, zip64=zip64)).rows == 2


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            b"../a/1.png",
            b"a/../../1.png",
            b"/a/1.png",
            b"//host/a/1.png",
            b"C:/a/1.png",
            b"c:1.png",
            b"a\\1.png",
            b"..\\1.png",
            b"a/1\n.png",
            b"a/1\0.png",
            b"a/\x1b[2J.png",
            b"a/" + b"x" * 1000 + b".png",
            b"",
        ],
    )
    def test_unsafe_member_name_is_rejected(self, path: Path, name: bytes) -> None:
        fault = refusal(write(path, [*HONEST, Entry(name, PNG)]))
        assert fault.rule == "unsafe-name"
        assert "relative names" in fault.detail

    @pytest.mark.parametrize("name", ["a/x..y.png", "a/ä ö.png", "a/日本.png", "a/x:y.png"])
    def test_unusual_but_safe_member_name_is_accepted(self, path: Path, name: str) -> None:
        entry = Entry(name.encode(), PNG, flags=0x800)
        assert inspect_dataset(write(path, [*HONEST, entry])).rows == 3

    def test_member_name_in_the_dos_code_page_is_accepted(self, path: Path) -> None:
        assert inspect_dataset(write(path, [*HONEST, Entry(b"a/\x81\x82.png", PNG)])).rows == 3

    def test_duplicate_member_name_is_rejected(self, path: Path) -> None:
        fault = refusal(write(path, [*HONEST, Entry(b"a/1.png", PNG)]))
        assert (fault.rule, fault.pointer) == ("duplicate-member", "/members/a~11.png")


class TestKinds:
    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
    def test_links_and_devices_are_rejected(self, path: Path, kind: int) -> None:
        entry = Entry(b"a/2.png", b"/etc/passwd", mode=kind | 0o777)
        assert refusal(write(path, [*HONEST, entry])).rule == "symlink"

    def test_encrypted_member_is_rejected(self, path: Path) -> None:
        fault = refusal(write(path, [*HONEST, Entry(b"a/2.png", PNG, flags=1)]))
        assert fault.rule == "encrypted"
        assert "without a password" in fault.detail

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 99])
    def test_unsupported_compression_is_rejected(self, path: Path, method: int) -> None:
        fault = refusal(write(path, [*HONEST, Entry(b"a/2.png", PNG, method=method)]))
        assert fault.rule == "compression"


class TestOverlap:
    def test_members_that_share_bytes_are_rejected(self, path: Path) -> None:
        """Fifield's bomb: many members that all point to the same bytes."""
        entries = [*HONEST, *(Entry(b"a/%d.png" % n, PNG, offset=0) for n in range(2, 50))]
        fault = refusal(write(path, entries))
        assert fault.rule == "overlap"

    def test_member_inside_another_member_is_rejected(self, path: Path) -> None:
        """The first member's bytes contain the second with its header."""
        inner = archive([Entry(b"a/2.png", PNG)])
        inner = inner[: inner.index(b"PK\1\2")]
        outer = Entry(b"a/1.png", inner)
        quoted = Entry(b"a/2.png", PNG, offset=30 + len(outer.name))
        assert refusal(write(path, [outer, quoted])).rule == "overlap"

    def test_member_that_overlaps_the_central_directory_is_rejected(self, path: Path) -> None:
        entries = [*HONEST, Entry(b"b/2.png", PNG, stored_size=len(PNG) + 40)]
        assert refusal(write(path, entries)).rule == "overlap"


class TestBombs:
    def test_member_with_a_huge_declared_size_is_rejected(self, path: Path) -> None:
        entries = [*HONEST, Entry(b"a/2.png", PNG, method=8, size=2**32 - 2)]
        fault = refusal(write(path, entries))
        assert fault.rule in ("zip-bomb", "image-bomb")
        assert refusal(path, limits=InspectionLimits(image_bytes=2**40)).rule == "zip-bomb"

    def test_compression_ratio_above_the_limit_is_rejected(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, x=np.zeros((1000, 1000)))
        limits = InspectionLimits(free_bytes=2**20, ratio=200)
        fault = refusal(path, limits=limits)
        assert fault.rule == "zip-bomb"
        assert "7 MiB" in fault.detail
        assert inspect_dataset(path).rows == 1000

    def test_inflated_size_above_the_limit_is_rejected(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, x=np.zeros(1000))
        assert refusal(path, limits=InspectionLimits(inflated_bytes=5000)).rule == "zip-bomb"

    def test_member_that_inflates_beyond_its_declared_size_is_rejected(self, path: Path) -> None:
        """Inflation stops at the declared size; the checksum then reveals the rest."""
        compressor = zlib.compressobj(wbits=-15)
        stream = compressor.compress(PNG + b"\0" * 50_000_000) + compressor.flush()
        entry = Entry(b"a/2.png", stream, size=len(PNG), method=8)
        assert refusal(write(path, [*HONEST, entry])).rule == "damaged"

    def test_archive_that_contains_itself_is_rejected(self, path: Path) -> None:
        """Nested archives are never unpacked."""
        fault = refusal(write(path, [Entry(b"r/r.zip", archive(HONEST))]))
        assert fault.rule == "nested-archive"


class TestMembers:
    def test_more_members_than_the_limit_are_rejected(self, path: Path) -> None:
        limits = InspectionLimits(members=5)
        entries = [Entry(b"%c/%d.png" % (97 + n % 2, n), PNG) for n in range(6)]
        for options in ({}, {"zip64": True}):
            fault = refusal(write(path, entries, **options), limits=limits)
            assert fault.rule == "too-many-members"
            write(path, entries[:5], **options)
            assert inspect_dataset(path, limits=limits).rows == 5

    @pytest.mark.parametrize("zip64", [False, True])
    def test_million_members_declared_as_one_are_rejected_quickly(
        self, path: Path, zip64: bool
    ) -> None:
        """Entries are counted before any object is created for them."""
        listed = archive([Entry(b"a/1.png", offset=0)])[:-22] * 1_000_000
        path.write_bytes(b"PK\3\4" + listed + end_record(1, len(listed), 4, zip64=zip64))
        before = time.process_time()
        fault = refusal(path)
        assert fault.rule == "too-many-members"
        assert time.process_time() - before < 1

    def test_archive_without_members_is_rejected(self, path: Path) -> None:
        assert refusal(write(path, [])).rule == "empty"


class TestDamage:
    def test_truncated_archive_is_rejected(self, path: Path) -> None:
        whole = archive(HONEST)
        for length in range(4, len(whole), 11):
            path.write_bytes(whole[:length])
            assert refusal(path).rule == "damaged"

    def test_wrong_offset_of_the_central_directory_is_rejected(self, path: Path) -> None:
        whole = bytearray(archive(HONEST))
        whole[-10:-6] = b"\xff\xff\xff\x7f"
        path.write_bytes(whole)
        assert refusal(path).rule == "damaged"

    def test_local_name_that_differs_from_the_directory_is_rejected(self, path: Path) -> None:
        whole = archive([*HONEST, Entry(b"b/2.png", PNG, flags=0x800)])
        for other in (b"b/3.png", b"b/\xff.png"):
            path.write_bytes(whole.replace(b"b/2.png", other, 1))
            fault = refusal(path)
            assert (fault.rule, fault.pointer) == ("damaged", "/members/b~12.png")

    def test_changed_byte_is_rejected(self, path: Path) -> None:
        whole = archive(HONEST)
        path.write_bytes(whole.replace(PNG, PNG[:-20] + b"\xff" + PNG[-19:], 1))
        fault = refusal(path)
        assert (fault.rule, fault.pointer) == ("damaged", "/members/a~11.png")


class TestFormats:
    def test_excel_workbook_is_rejected_with_advice(self, path: Path) -> None:
        entries = [Entry(b"[Content_Types].xml", b"<x/>"), Entry(b"xl/workbook.xml", b"<x/>")]
        fault = refusal(write(path, entries))
        assert fault.rule == "unknown-format"
        assert "save the sheet as CSV" in fault.detail

    def test_zipped_table_is_rejected_with_advice(self, path: Path) -> None:
        fault = refusal(write(path, [Entry(b"table.csv", b"a,b\n1,2\n")]))
        assert fault.rule == "unknown-format"
        assert "unpack it" in fault.detail

    def test_arrays_declared_as_images_are_rejected(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, x=np.zeros(3))
        fault = refusal(path, DatasetFormat.IMAGES)
        assert fault.rule == "format-mismatch"
        assert "npz" in fault.detail
