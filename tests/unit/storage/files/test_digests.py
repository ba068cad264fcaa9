"""The hashes of a file, compared with published examples."""

import io
import random

import pytest

from ridgeline.storage.files.digests import FileDigests, file_digests

CONTENT = random.Random(3).randbytes(3 * 2**20 + 17)  # noqa: S311 - no two blocks alike


def test_hashes_of_no_bytes() -> None:
    """From FIPS 180-4 and the specification of XXH3."""
    nothing = FileDigests()
    assert nothing.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert nothing.xxh3 == "99aa06d3014798d86001c324468d497f"


@pytest.mark.parametrize("cut", [1, 2**20 - 1, 2**20, len(CONTENT)])
def test_hashes_do_not_depend_on_chunks(cut: int) -> None:
    digests = FileDigests()
    digests.update(CONTENT[:cut])
    digests.update(memoryview(CONTENT)[cut:])
    whole = file_digests(io.BytesIO(CONTENT))
    assert (digests.sha256, digests.xxh3) == (whole.sha256, whole.xxh3)


def test_file_is_hashed_from_its_current_position() -> None:
    file = io.BytesIO(CONTENT)
    file.seek(5)
    rest = FileDigests()
    rest.update(CONTENT[5:])
    assert file_digests(file).xxh3 == rest.xxh3
    assert file.tell() == len(CONTENT)
