"""Headers that announce a body, and how many bodies are received at the same time."""

import asyncio
from pathlib import Path

import pytest
from fastapi import Request

from service.datasets import receiving
from service.datasets.receiving import Receiver
from service.datasets.routes import announced_format
from service.errors import TooManyTransfers
from service.http.requests import digest_sha256

DIGEST = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("header", "sha256"),
    [
        (None, None),
        ("", None),
        (f"sha-256=:{DIGEST}:", HEX),
        (f"md5=:AAAA:, SHA-256=:{DIGEST}:;x=1", HEX),
        ("sha-512=:AAAA:", None),
    ],
)
def test_a_digest_header_names_a_sha256(header: str | None, sha256: str | None) -> None:
    assert digest_sha256(header) == sha256


@pytest.mark.parametrize(
    "value", ["", "::", DIGEST, f":{DIGEST}", f":{DIGEST[:-2]}==:", f":{DIGEST}A:", ":é:"]
)
def test_a_malformed_digest_raises(value: str) -> None:
    with pytest.raises(ValueError, match="expected sha-256"):
        digest_sha256(f"sha-256={value}")


@pytest.mark.parametrize("header", [HEX, DIGEST, "sha-256", f"md5=:AAAA:, {HEX}", "="])
def test_a_bare_hash_raises(header: str) -> None:
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
    ("content_type", "format_"),
    [
        ("text/csv", "csv"),
        ("application/vnd.apache.parquet", "parquet"),
        ("application/zip", None),
        ("TEXT/CSV; charset=utf-8", "csv"),
    ],
)
def test_content_type_announces_the_format(content_type: str, format_: str | None) -> None:
    assert announced_format(request({"Content-Type": content_type})) == format_


def test_one_transfer_too_many_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "AT_ONCE", 2)

    async def run() -> None:
        receiver, waits = Receiver(timeout_s=10), asyncio.Event()

        async def receive(waits: asyncio.Event | None) -> int:
            async with receiver.received(request({}, waits), tmp_path, 100) as received:
                return received.bytes

        both = [asyncio.create_task(receive(waits)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyTransfers):
            await receive(None)
        waits.set()
        assert await asyncio.gather(*both) == [4, 4]
        assert await receive(None) == 4

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
