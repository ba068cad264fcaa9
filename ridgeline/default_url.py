"""Where the service is when neither an argument nor the environment names another address."""

import os

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "RIDGELINE_URL"


def default_url() -> str:
    """Return the address in RIDGELINE_URL, or else that of a service started on this machine."""
    url = os.environ.get(URL_VARIABLE) or DEFAULT_URL
    return url if "://" in url else f"http://{url}"
