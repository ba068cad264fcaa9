"""No credential gets into what users read."""

import pytest
from pydantic import SecretStr

from ridgeline.storage.settings import StorageSettings
from worker.supervision.redaction import Redaction


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
        ("nothing to see", "nothing to see"),
        ("the password is hunter2!", "the password is ***!"),
        ("as given p%40ssword, as meant p@ssword", "as given ***, as meant ***"),
        ("key wJalrXUtnFEMI", "key ***"),
        ("at postgresql://ridgeline:p%40ssword@db:5432/x", "at postgresql://***@db:5432/x"),
        ("of another, https://me:unknown@host/path", "of another, https://***@host/path"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("\x00 and \ud800", "\ufffd and ?"),
    ],
)
def test_what_is_left(redaction: Redaction, text: str, clear: str) -> None:
    assert redaction(text) == clear


def test_without_any_secret() -> None:
    assert Redaction(StorageSettings())("redis at 127.0.0.1") == "redis at 127.0.0.1"
