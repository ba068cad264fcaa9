"""Credentials are removed from what users read."""

import pytest
from pydantic import SecretStr

from ridgeline.storage.settings import StorageSettings
from worker.supervision.journal import Redaction


@pytest.fixture
def redaction(monkeypatch: pytest.MonkeyPatch) -> Redaction:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    settings = StorageSettings(
        database_url=SecretStr("postgresql://ridgeline:p%40ssword@db:5432/x"),
        redis_url=SecretStr("rediss://:hunter2@broker/0"),
    )
    return Redaction(settings)


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        ("no secret here", "no secret here"),
        ("the password is hunter2!", "the password is ***!"),
        ("encoded p%40ssword, decoded p@ssword", "encoded ***, decoded ***"),
        ("key wJalrXUtnFEMI", "key ***"),
        ("at postgresql://ridgeline:p%40ssword@db:5432/x", "at postgresql://***@db:5432/x"),
        ("another's https://me:unknown@host/path", "another's https://***@host/path"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("\x00 and \ud800", "\ufffd and ?"),
    ],
)
def test_secrets_are_replaced(redaction: Redaction, text: str, clear: str) -> None:
    assert redaction(text) == clear


def test_text_is_unchanged_without_secrets() -> None:
    assert Redaction(StorageSettings())("redis at 127.0.0.1") == "redis at 127.0.0.1"


def test_setting_for_no_broker_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGELINE_REDIS_URL", "none")
    assert Redaction(StorageSettings())("none of them") == "none of them"
