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
def test_the_builder_builds_what_is_taken(path: Path, zip64: bool) -> None:
    """Else the refusals below might have another reason."""
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
    def test_unsafe(self, path: Path, name: bytes) -> None:
        fault = refusal(write(path, [*HONEST, Entry(name, PNG)]))
        assert fault.rule == "unsafe-name"
        assert "relative names" in fault.detail

    @pytest.mark.parametrize("name", ["a/x..y.png", "a/ä ö.png", "a/日本.png", "a/x:y.png"])
    def test_unusual_but_safe(self, path: Path, name: str) -> None:
        entry = Entry(name.encode(), PNG, flags=0x800)
        assert inspect_dataset(write(path, [*HONEST, entry])).rows == 3

    def test_names_in_the_code_page_of_dos(self, path: Path) -> None:
        assert inspect_dataset(write(path, [*HONEST, Entry(b"a/\x81\x82.png", PNG)])).rows == 3

    def test_twice_the_same(self, path: Path) -> None:
        fault = refusal(write(path, [*HONEST, Entry(b"a/1.png", PNG)]))
        assert (fault.rule, fault.pointer) == ("duplicate-member", "/members/a~11.png")


class TestKinds:
    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
    def test_links_and_devices(self, path: Path, kind: int) -> None:
        entry = Entry(b"a/2.png", b"/etc/passwd", mode=kind | 0o777)
        assert refusal(write(path, [*HONEST, entry])).rule == "symlink"

    def test_encrypted(self, path: Path) -> None:
        fault = refusal(write(path, [*HONEST, Entry(b"a/2.png", PNG, flags=1)]))
        assert fault.rule == "encrypted"
        assert "without a password" in fault.detail

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 99])
    def test_other_compression(self, path: Path, method: int) -> None:
        fault = refusal(write(path, [*HONEST, Entry(b"a/2.png", PNG, method=method)]))
        assert fault.rule == "compression"


class TestOverlap:
    def test_members_with_the_same_bytes(self, path: Path) -> None:
        """Fifield's bomb: one kernel of bytes, and many members that are it."""
        entries = [*HONEST, *(Entry(b"a/%d.png" % n, PNG, offset=0) for n in range(2, 50))]
        fault = refusal(write(path, entries))
        assert fault.rule == "overlap"

    def test_headers_quoted_by_the_member_before(self, path: Path) -> None:
        """Each member holds the next one whole, header and all."""
        inner = archive([Entry(b"a/2.png", PNG)])
        inner = inner[: inner.index(b"PK\1\2")]
        outer = Entry(b"a/1.png", inner)
        quoted = Entry(b"a/2.png", PNG, offset=30 + len(outer.name))
        assert refusal(write(path, [outer, quoted])).rule == "overlap"

    def test_member_that_runs_into_the_list(self, path: Path) -> None:
        entries = [*HONEST, Entry(b"b/2.png", PNG, stored_size=len(PNG) + 40)]
        assert refusal(write(path, entries)).rule == "overlap"


class TestBombs:
    def test_promises_gigabytes(self, path: Path) -> None:
        entries = [*HONEST, Entry(b"a/2.png", PNG, method=8, size=2**32 - 2)]
        fault = refusal(write(path, entries))
        assert fault.rule in ("zip-bomb", "image-bomb")
        assert refusal(path, limits=InspectionLimits(image_bytes=2**40)).rule == "zip-bomb"

    def test_inflates_beyond_the_ratio(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, x=np.zeros((1000, 1000)))
        limits = InspectionLimits(free_bytes=2**20, ratio=200)
        fault = refusal(path, limits=limits)
        assert fault.rule == "zip-bomb"
        assert "7 MiB" in fault.detail
        assert inspect_dataset(path).rows == 1000

    def test_inflates_beyond_what_is_borne_at_all(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, x=np.zeros(1000))
        assert refusal(path, limits=InspectionLimits(inflated_bytes=5000)).rule == "zip-bomb"

    def test_inflates_beyond_what_it_promises(self, path: Path) -> None:
        """No more than was promised is inflated; the sum then tells that there was more."""
        compressor = zlib.compressobj(wbits=-15)
        stream = compressor.compress(PNG + b"\0" * 50_000_000) + compressor.flush()
        entry = Entry(b"a/2.png", stream, size=len(PNG), method=8)
        assert refusal(write(path, [*HONEST, entry])).rule == "damaged"

    def test_quine(self, path: Path) -> None:
        """A ZIP file that holds itself: what is in a member is never unpacked."""
        fault = refusal(write(path, [Entry(b"r/r.zip", archive(HONEST))]))
        assert fault.rule == "nested-archive"


class TestMembers:
    def test_more_than_there_may_be(self, path: Path) -> None:
        limits = InspectionLimits(members=5)
        entries = [Entry(b"%c/%d.png" % (97 + n % 2, n), PNG) for n in range(6)]
        for options in ({}, {"zip64": True}):
            fault = refusal(write(path, entries, **options), limits=limits)
            assert fault.rule == "too-many-members"
            write(path, entries[:5], **options)
            assert inspect_dataset(path, limits=limits).rows == 5

    @pytest.mark.parametrize("zip64", [False, True])
    def test_a_million_that_say_they_are_one(self, path: Path, zip64: bool) -> None:
        """They are counted before a list of objects is made of them."""
        listed = archive([Entry(b"a/1.png", offset=0)])[:-22] * 1_000_000
        path.write_bytes(b"PK\3\4" + listed + end_record(1, len(listed), 4, zip64=zip64))
        before = time.process_time()
        fault = refusal(path)
        assert fault.rule == "too-many-members"
        assert time.process_time() - before < 1

    def test_empty(self, path: Path) -> None:
        assert refusal(write(path, [])).rule == "empty"


class TestDamage:
    def test_cut_off(self, path: Path) -> None:
        whole = archive(HONEST)
        for length in range(4, len(whole), 11):
            path.write_bytes(whole[:length])
            assert refusal(path).rule == "damaged"

    def test_list_that_is_not_where_it_is_said_to_be(self, path: Path) -> None:
        whole = bytearray(archive(HONEST))
        whole[-10:-6] = b"\xff\xff\xff\x7f"
        path.write_bytes(whole)
        assert refusal(path).rule == "damaged"

    def test_name_that_is_another_where_the_member_is(self, path: Path) -> None:
        whole = archive([*HONEST, Entry(b"b/2.png", PNG, flags=0x800)])
        for other in (b"b/3.png", b"b/\xff.png"):
            path.write_bytes(whole.replace(b"b/2.png", other, 1))
            fault = refusal(path)
            assert (fault.rule, fault.pointer) == ("damaged", "/members/b~12.png")

    def test_changed_byte(self, path: Path) -> None:
        whole = archive(HONEST)
        path.write_bytes(whole.replace(PNG, PNG[:-20] + b"\xff" + PNG[-19:], 1))
        fault = refusal(path)
        assert (fault.rule, fault.pointer) == ("damaged", "/members/a~11.png")


class TestFormats:
    def test_excel_workbook(self, path: Path) -> None:
        entries = [Entry(b"[Content_Types].xml", b"<x/>"), Entry(b"xl/workbook.xml", b"<x/>")]
        fault = refusal(write(path, entries))
        assert fault.rule == "unknown-format"
        assert "save the sheet as CSV" in fault.detail

    def test_zipped_table(self, path: Path) -> None:
        fault = refusal(write(path, [Entry(b"table.csv", b"a,b\n1,2\n")]))
        assert fault.rule == "unknown-format"
        assert "unpack it" in fault.detail

    def test_arrays_said_to_be_images(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, x=np.zeros(3))
        fault = refusal(path, DatasetFormat.IMAGES)
        assert fault.rule == "format-mismatch"
        assert "npz" in fault.detail
