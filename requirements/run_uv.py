"""Runs `uv pip` with the index, certificates and proxy that pip is configured to use.

    .venv/bin/python requirements/run_uv.py install -r requirements/dev.txt

uv does not read pip's configuration, where companies put their package index and certificate
authority. A setting made for uv itself (UV_..., SSL_CERT_FILE) or a proxy in the environment wins.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

UV = str(Path(sys.executable).with_name("uv"))
#: The sections that count for `pip install`; a later one overrides an earlier one.
SECTIONS = ("global", "install", ":env:")
#: One line of `pip config list`: the value is a Python string.
SETTING = re.compile(r"(?P<section>global|install|:env:)\.(?P<option>[\w-]+)=(?P<value>['\"].*)")
#: Where Linux distributions keep their certificates. uv fails if it is to use them and there are
#: none, as in small container images.
SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",
)
#: uv's variable for an option of pip's, and what separates several values in it. If the variable,
#: or the older one named last, is set already, it stays.
VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " ", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", " ", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS", ",", ""),
    "trusted-host": ("UV_INSECURE_HOST", " ", ""),
    "timeout": ("UV_HTTP_TIMEOUT", " ", ""),
}


def main() -> None:
    """Become uv."""
    arguments = sys.argv[1:]
    pip = read_pip_settings()
    environment = {**os.environ, **uv_settings(pip, os.environ)}
    environment |= usable_cache(environment)
    if "--require-hashes" in arguments:
        # As pip does: every index is searched. The hashes rule out a package of the same name.
        environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        arguments.append("--no-index")
    os.execve(UV, [UV, "--quiet", "pip", *arguments], environment)  # noqa: S606 - no shell is meant


def read_pip_settings() -> dict[str, str]:
    """Return pip's options by name, from all its files and PIP_... variables."""
    # -vvv: a `quiet` in the configuration would leave the list empty.
    command = [sys.executable, "-m", "pip", "config", "list", "-vvv"]
    listing = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [match for line in listing.splitlines() if (match := SETTING.fullmatch(line))]
    lines.sort(key=lambda line: SECTIONS.index(line["section"]))
    return {line["option"].removeprefix("default-"): parse(line["value"]) for line in lines}


def parse(value: str) -> str:
    """Return the string whose Python form `pip config list` printed."""
    return str(ast.literal_eval(value))


def uv_settings(pip: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to the user's `own` variables to configure uv as pip is."""
    added = {}
    for option, (name, separator, older_name) in VARIABLES.items():
        values = [value for value in pip.get(option, "").split() if is_there(value)]
        if values and not (own.get(name) or own.get(older_name)):
            added[name] = separator.join(map(os.path.expanduser, values))
    if pip.get("client-cert") and not own.get("SSL_CLIENT_CERT"):
        added["SSL_CLIENT_CERT"] = str(Path(pip["client-cert"]).expanduser())
    return added | certificates(pip, own) | proxies(pip, own)


def is_there(location: str) -> bool:
    """Tell a local folder that does not exist, which pip ignores and on which uv fails."""
    path = location.removeprefix("file://")
    return not path.startswith(("/", "~")) or Path(path).expanduser().exists()


def certificates(pip: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Hand on pip's certificates, or else the system's instead of those built into uv."""
    if any(own.get(name) for name in ("SSL_CERT_FILE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")):
        return {}
    named = pip.get("cert") or own.get("REQUESTS_CA_BUNDLE") or own.get("CURL_CA_BUNDLE")
    if named:
        bundle = Path(named).expanduser()
        return {"SSL_CERT_DIR" if bundle.is_dir() else "SSL_CERT_FILE": str(bundle)}
    if sys.platform != "linux" or any(Path(path).exists() for path in SYSTEM_CERTIFICATES):
        return {"UV_SYSTEM_CERTS": "true"}
    return {}


def proxies(pip: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Hand on pip's proxy for every protocol that has none in the environment."""
    proxy = pip.get("proxy")
    if not proxy:
        return {}
    url = proxy if "://" in proxy else f"http://{proxy}"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {name: url for name in names if not (own.get(name) or own.get(name.lower()))}


def usable_cache(environment: Mapping[str, str]) -> dict[str, str]:
    """Choose another cache folder where uv's is not writable, as with a read-only home folder."""
    command = [UV, "cache", "dir"]
    chosen = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    folder = Path(chosen.stdout.strip() or ".")
    try:
        if chosen.returncode == 0:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return {}
        reason = chosen.stderr.strip()
    except OSError as error:
        reason = f"{folder}: {error.strerror}"
    own = Path(sys.prefix, ".uv-cache")
    if not own.exists():
        sys.stderr.write(f"Cannot write to uv's cache ({reason}); using {own} instead.\n")
    return {"UV_CACHE_DIR": str(own)}


if __name__ == "__main__":
    main()
