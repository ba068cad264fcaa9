"""The Makefile installs once, from the index that pip is configured to use."""

import datetime as dt
import hashlib
import http.server
import ipaddress
import os
import shutil
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: The only package in the test index.
WHEEL = "company_tool-1-py3-none-any.whl"
#: Variables that would override what a test configures.
CONFIGURING = ("PIP_", "UV_", "SSL_", "MAKE", "HTTP", "ALL_PROXY", "XDG_", "REQUESTS_", "CURL_")


def test_second_run_installs_nothing(root: Path, tmp_path: Path) -> None:
    """After an installation, the dry run of `make demo` shows only the demo."""
    plan = _plan(root, tmp_path, ".ready", ".locked")
    assert plan == [".venv/bin/ridgeline demo"]


def test_changed_lock_file_installs_again(root: Path, tmp_path: Path) -> None:
    plan = "\n".join(_plan(root, tmp_path, ".ready"))
    assert "requirements/dev.txt" in plan
    assert "--require-hashes" in plan


@pytest.mark.parametrize("configured_in", ["PIP_CONFIG_FILE", "user", "machine"])
def test_install_uses_the_index_and_certificate_of_the_pip_configuration(
    checkout: Path, index: "PackageIndex", tmp_path: Path, configured_in: str
) -> None:
    environment = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}
    file = {
        "PIP_CONFIG_FILE": tmp_path / "some.conf",
        "user": tmp_path / "home" / ".config" / "pip" / "pip.conf",
        "machine": tmp_path / "etc" / "pip" / "pip.conf",
    }[configured_in]
    if configured_in == "PIP_CONFIG_FILE":
        environment["PIP_CONFIG_FILE"] = str(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    # [install] overrides a [global] section in the machine's /etc/pip.conf.
    file.write_text(
        f"[install]\nindex-url = {index.url}\nextra-index-url =\n"
        f"    {index.empty_url}\n    {index.url}\ncert = {index.certificate}\n"
    )
    installation = _make_install(checkout, environment)
    assert installation.returncode == 0, installation.stderr
    assert _is_installed(checkout)


def test_trusted_host_of_pip_needs_no_certificate(
    checkout: Path, index: "PackageIndex", tmp_path: Path
) -> None:
    environment = {
        "HOME": str(tmp_path / "home"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index.url,
        "UV_HTTP_RETRIES": "0",
    }
    rejected = _make_install(checkout, environment)
    assert rejected.returncode != 0
    assert not _is_installed(checkout)
    environment["PIP_TRUSTED_HOST"] = f"elsewhere.example {index.host}"
    installation = _make_install(checkout, environment)
    assert installation.returncode == 0, installation.stderr
    assert _is_installed(checkout)


def test_install_works_with_a_home_that_is_not_writable(
    checkout: Path, index: "PackageIndex", tmp_path: Path
) -> None:
    (tmp_path / "home").touch()
    environment = {
        "HOME": str(tmp_path / "home"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index.url,
        "PIP_CERT": str(index.certificate),
    }
    installation = _make_install(checkout, environment)
    assert installation.returncode == 0, installation.stderr
    assert _is_installed(checkout)
    (notice,) = installation.stderr.splitlines()
    assert notice.startswith("Cannot write to uv's cache")
    assert str(tmp_path / "home") in notice
    assert notice.endswith(f"using {checkout / '.venv' / '.uv-cache'} instead.")


class PackageIndex:
    """An HTTPS package index with a self-signed certificate."""

    def __init__(self, folder: Path, certificate: Path, port: int) -> None:
        self.certificate = certificate
        self.host = f"127.0.0.1:{port}"
        self.url = f"https://{self.host}/simple"
        self.empty_url = f"https://{self.host}/empty"
        self.wheel = folder / "files" / WHEEL


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    # The spaces are deliberate: the path of a certificate may contain them.
    folder = tmp_path_factory.mktemp("company") / "in a folder"
    for name in ("files", "simple/company-tool", "empty"):
        (folder / name).mkdir(parents=True)
    certificate = _write_certificate(folder / "company ca.pem")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        index = PackageIndex(folder, certificate, server.server_port)
        _write_wheel(index.wheel)
        page = f'<a href="/files/{WHEEL}">{WHEEL}</a>'
        (folder / "simple" / "company-tool" / "index.html").write_text(page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield index
        server.shutdown()


def _write_certificate(path: Path) -> Path:
    """Write a key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "company")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _write_wheel(path: Path) -> None:
    info = "company_tool-1.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("company_tool.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: company-tool\nVersion: 1")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        wheel.writestr(f"{info}/RECORD", f"company_tool.py,,\n{info}/METADATA,,\n{info}/WHEEL,,")


@pytest.fixture(scope="module")
def installed_checkout(
    root: Path, tmp_path_factory: pytest.TempPathFactory, index: PackageIndex
) -> Path:
    """A finished installation in which `GPU=1` adds the package of the test index."""
    folder = tmp_path_factory.mktemp("checkout")
    _copy(root, folder)
    digest = hashlib.sha256(index.wheel.read_bytes()).hexdigest()
    lock = f"company-tool==1 --hash=sha256:{digest}\n"
    (folder / "requirements" / "worker-gpu.txt").write_text(lock)
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    (folder / ".venv" / "bin" / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    _stamp(folder, ".ready", ".locked")
    return folder


@pytest.fixture
def checkout(installed_checkout: Path) -> Path:
    """The shared checkout, without the files that the previous test added."""
    venv = installed_checkout / ".venv"
    (venv / ".locked-gpu").unlink(missing_ok=True)
    for added in [venv / ".uv-cache", *venv.rglob("company_tool*")]:
        shutil.rmtree(added) if added.is_dir() else added.unlink(missing_ok=True)
    return installed_checkout


def _make_install(
    checkout: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    kept = {name: text for name, text in os.environ.items() if not _configures(name)}
    return subprocess.run(
        [_make(), "install", "GPU=1"],
        cwd=checkout,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _configures(name: str) -> bool:
    return name.upper().startswith(CONFIGURING)


def _is_installed(checkout: Path) -> bool:
    return any((checkout / ".venv").rglob("company_tool.py"))


def _plan(root: Path, folder: Path, *stamps: str) -> list[str]:
    """The commands `make demo` would run if .venv held these stamps, newer than everything else."""
    _copy(root, folder)
    (folder / ".venv").mkdir()
    _stamp(folder, *stamps)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    planned = subprocess.run(
        [_make(), "--dry-run", "demo", f"PYTHON={sys.executable}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.strip() for line in planned.stdout.splitlines() if line.strip()]


def _make() -> str:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    return make


def _copy(root: Path, folder: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "requirements", folder / "requirements")


def _stamp(folder: Path, *stamps: str) -> None:
    """Create stamps in .venv that are newer than everything else but not in the future."""
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    for path in (folder / "requirements").iterdir():
        os.utime(path, (0, 0))
    for stamp in stamps:
        (folder / ".venv" / stamp).touch()
