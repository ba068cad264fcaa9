"""The hashes of a file, beside the algorithms' own examples."""

import io
import random

import pytest

from ridgeline.storage.files.digests import FileDigests, file_digests

CONTENT = random.Random(3).randbytes(3 * 2**20 + 17)  # noqa: S311 - no two blocks alike


def test_of_nothing() -> None:
    """As FIPS 180-4 and the specification of XXH3 have them."""
    nothing = FileDigests()
    assert nothing.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert nothing.xxh3 == "99aa06d3014798d86001c324468d497f"


@pytest.mark.parametrize("cut", [1, 2**20 - 1, 2**20, len(CONTENT)])
def test_it_does_not_matter_how_the_bytes_come(cut: int) -> None:
    digests = FileDigests()
    digests.update(CONTENT[:cut])
    digests.update(memoryview(CONTENT)[cut:])
    whole = file_digests(io.BytesIO(CONTENT))
    assert (digests.sha256, digests.xxh3) == (whole.sha256, whole.xxh3)


def test_a_file_is_hashed_from_where_it_stands() -> None:
    file = io.BytesIO(CONTENT)
    file.seek(5)
    rest = FileDigests()
    rest.update(CONTENT[5:])
    assert file_digests(file).xxh3 == rest.xxh3
    assert file.tell() == len(CONTENT)
