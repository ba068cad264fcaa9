"""The address at which a service is expected when none is given."""

import os

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "RIDGELINE_URL"


def default_url() -> str:
    """The URL in the environment variable RIDGELINE_URL, or DEFAULT_URL where it is not set."""
    return with_scheme(os.environ.get(URL_VARIABLE) or DEFAULT_URL)


def with_scheme(url: str) -> str:
    """The URL with `http://` in front, unless it names a scheme."""
    return url if "://" in url else f"http://{url}"
