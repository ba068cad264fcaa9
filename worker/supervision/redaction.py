"""Keeps credentials out of what users get to read."""

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from ridgeline.logs import storable
from ridgeline.storage.settings import StorageSettings

HIDDEN = "***"
_SHORTEST = 4
"""A shorter password is no secret, and would blot out half of every text."""
_SECRET_NAME = re.compile("PASSWORD|SECRET|TOKEN", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")


class Redaction:
    """Replaces the secrets of `settings` and of the environment, and the credentials in any URL."""

    def __init__(self, settings: StorageSettings) -> None:
        found = {each for value in _secrets(settings) for each in _parts(value)}
        # The longest first: it may hold another.
        words = sorted((each for each in found if len(each) >= _SHORTEST), key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, words))) if words else None

    def __call__(self, text: str) -> str:
        """`text` without secrets, and as it can be stored."""
        clear = storable(text)
        if self._words is not None:
            clear = self._words.sub(HIDDEN, clear)
        return _IN_URL.sub(HIDDEN, clear)


def _secrets(settings: StorageSettings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
    yield from (value for name, value in os.environ.items() if _SECRET_NAME.search(name))


def _parts(secret: str) -> Iterator[str]:
    """What must not be read: of a URL its password, for the rest may be a plain path."""
    if "://" not in secret:
        yield secret
        return
    password = urlsplit(secret).password
    if password:
        yield from (password, unquote(password))
