"""What is said of a body before it is read, and how many come at once."""

import asyncio
from pathlib import Path

import pytest
from fastapi import Request

from ridgeline.api.problems import ProblemCode
from service.datasets import receiving
from service.datasets.media import said_format
from service.datasets.receiving import Receiver
from service.http.headers import digest_sha256
from service.http.problems import ApiProblem

DIGEST = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("", None),
        (f"sha-256=:{DIGEST}:", HEX),
        (f"md5=:AAAA:, SHA-256=:{DIGEST}:;x=1", HEX),
        ("sha-512=:AAAA:", None),
    ],
)
def test_digests(header: str | None, found: str | None) -> None:
    assert digest_sha256(header) == found


@pytest.mark.parametrize(
    "value", ["", "::", DIGEST, f":{DIGEST}", f":{DIGEST[:-2]}==:", f":{DIGEST}A:", ":é:"]
)
def test_digests_that_are_none(value: str) -> None:
    with pytest.raises(ValueError, match="expected sha-256"):
        digest_sha256(f"sha-256={value}")


@pytest.mark.parametrize("header", [HEX, DIGEST, "sha-256", f"md5=:AAAA:, {HEX}", "="])
def test_a_bare_hash_is_not_passed_over(header: str) -> None:
    with pytest.raises(ValueError, match="expected sha-256=:BASE64:"):
        digest_sha256(header)


def request(headers: dict[str, str], waits: asyncio.Event | None = None) -> Request:
    async def receive() -> dict[str, object]:
        if waits is not None:
            await waits.wait()
        return {"type": "http.request", "body": b"body", "more_body": False}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("text/csv", "csv"),
        ("application/vnd.apache.parquet", "parquet"),
        ("application/zip", None),
        ("TEXT/CSV; charset=utf-8", "csv"),
    ],
)
def test_formats_by_content_type(content_type: str, found: str | None) -> None:
    assert said_format(request({"Content-Type": content_type})) == found


def test_only_so_many_come_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "AT_ONCE", 2)

    async def run() -> None:
        receiver, waits = Receiver(timeout_s=10), asyncio.Event()

        async def receive(waits: asyncio.Event | None) -> int:
            async with receiver.received(request({}, waits), tmp_path, 100) as received:
                return received.bytes

        both = [asyncio.create_task(receive(waits)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiProblem) as refusal:
            await receive(None)
        assert refusal.value.code is ProblemCode.UNAVAILABLE
        waits.set()
        assert await asyncio.gather(*both) == [4, 4]
        assert await receive(None) == 4

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
