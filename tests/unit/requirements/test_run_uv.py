"""How pip's configuration becomes uv's; tests/architecture/test_make.py installs with it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from requirements import run_uv
from requirements.run_uv import read_pip_settings, usable_cache, uv_settings


def _listing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        assert command[:5] == [sys.executable, "-m", "pip", "config", "list"]
        return subprocess.CompletedProcess(command, 0, stdout=text)

    monkeypatch.setattr(subprocess, "run", run)


def test_environment_overrides_install_section_and_that_the_global_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _listing(
        monkeypatch,
        "For variant 'global', will try loading '/etc/pip.conf'\n"
        ":env:.cert='/env.pem'\n"
        ":env:.default-timeout='7'\n"
        "download.proxy='http://other-command:1'\n"
        "global.cert='/global.pem'\n"
        "global.index-url='https://global/simple'\n"
        'global.trusted-host="it\'s"\n'
        "install.cert='/install.pem'\n"
        "install.index-url='https://install/simple'\n",
    )
    assert read_pip_settings() == {
        "cert": "/env.pem",
        "timeout": "7",
        "index-url": "https://install/simple",
        "trusted-host": "it's",
    }


def test_quiet_pip_still_lists_its_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[install]\nquiet = 2\nproxy = company:80\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    assert read_pip_settings()["proxy"] == "company:80"


def test_several_indexes_and_hosts_on_lines_of_their_own() -> None:
    pip = {
        "index-url": "https://a/simple",
        "extra-index-url": "\nhttps://b/simple\nhttps://c/simple",
        "trusted-host": "b c:8443",
        "timeout": "60",
    }
    settings = uv_settings(pip, {"SSL_CERT_FILE": "/own.pem"})
    assert settings == {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_INDEX": "https://b/simple https://c/simple",
        "UV_INSECURE_HOST": "b c:8443",
        "UV_HTTP_TIMEOUT": "60",
    }


@pytest.mark.parametrize(
    ("option", "variable"),
    [
        ("index-url", "UV_DEFAULT_INDEX"),
        ("index-url", "UV_INDEX_URL"),
        ("extra-index-url", "UV_INDEX"),
        ("extra-index-url", "UV_EXTRA_INDEX_URL"),
        ("find-links", "UV_FIND_LINKS"),
        ("trusted-host", "UV_INSECURE_HOST"),
        ("timeout", "UV_HTTP_TIMEOUT"),
        ("cert", "SSL_CERT_FILE"),
        ("cert", "UV_SYSTEM_CERTS"),
        ("client-cert", "SSL_CLIENT_CERT"),
    ],
)
def test_variable_that_the_user_has_set_stays(option: str, variable: str) -> None:
    certificates = {"SSL_CERT_FILE": "/own.pem"}
    assert uv_settings({option: "from-pip"}, certificates | {variable: "own"}) == {}


def test_variable_that_is_empty_counts_as_unset() -> None:
    settings = uv_settings({"index-url": "https://a/simple"}, {"UV_DEFAULT_INDEX": ""})
    assert settings["UV_DEFAULT_INDEX"] == "https://a/simple"


def test_local_folder_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    pip = {
        "find-links": f"{tmp_path} {tmp_path}/none https://a/files",
        "extra-index-url": f"file://{tmp_path} file://{tmp_path}/none",
    }
    settings = uv_settings(pip, {})
    assert settings["UV_FIND_LINKS"] == f"{tmp_path},https://a/files"
    assert settings["UV_INDEX"] == f"file://{tmp_path}"


@pytest.mark.parametrize(
    ("pip", "own", "expected"),
    [
        ({"cert": "/a folder/ca.pem"}, {}, {"SSL_CERT_FILE": "/a folder/ca.pem"}),
        ({"cert": "/"}, {}, {"SSL_CERT_DIR": "/"}),
        ({}, {"REQUESTS_CA_BUNDLE": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
        ({"cert": "/a"}, {"REQUESTS_CA_BUNDLE": "/b"}, {"SSL_CERT_FILE": "/a"}),
    ],
)
def test_certificates_of_pip(
    pip: dict[str, str], own: dict[str, str], expected: dict[str, str]
) -> None:
    assert uv_settings(pip, own) == expected


@pytest.mark.parametrize("exists", [True, False])
def test_certificates_of_the_system_are_used_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, exists: bool
) -> None:
    bundle = tmp_path / "ca.pem"
    if exists:
        bundle.touch()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(run_uv, "SYSTEM_CERTIFICATES", (str(bundle),))
    assert uv_settings({}, {}) == ({"UV_SYSTEM_CERTS": "true"} if exists else {})


def test_proxy_serves_every_protocol_that_has_none() -> None:
    own = {"SSL_CERT_FILE": "/own.pem", "https_proxy": "http://own:1"}
    url = "http://user:password@company:80"
    assert uv_settings({"proxy": "user:password@company:80"}, own) == {
        "HTTP_PROXY": url,
        "ALL_PROXY": url,
    }


def test_writable_cache_is_kept(tmp_path: Path) -> None:
    assert usable_cache({"UV_CACHE_DIR": str(tmp_path / "cache")}) == {}


def test_cache_that_is_not_writable_is_replaced_and_reported_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    chosen = usable_cache({"UV_CACHE_DIR": str(tmp_path / "file" / "cache")})
    assert chosen == {"UV_CACHE_DIR": str(tmp_path / ".uv-cache")}
    assert str(tmp_path / "file" / "cache") in capsys.readouterr().err
    (tmp_path / ".uv-cache").mkdir()  # as uv does
    assert usable_cache({"UV_CACHE_DIR": str(tmp_path / "file" / "cache")}) == chosen
    assert capsys.readouterr().err == ""
