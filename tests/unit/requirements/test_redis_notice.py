"""What an installation says about Redis."""

import shutil

import pytest

from requirements import redis_notice


def _server(name: str) -> str | None:
    return "/usr/bin/valkey-server" if name == "valkey-server" else None


def test_missing_redis_is_reported_before_the_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(redis_notice, "wheel_exists", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    redis_notice.main()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("No redis-server on PATH")
    assert line.endswith("Ridgeline will run without a message broker.")


def test_redis_on_the_path_needs_no_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(redis_notice, "wheel_exists", lambda: False)
    monkeypatch.setattr(shutil, "which", _server)
    redis_notice.main()
    assert capsys.readouterr().out == ""


def test_redis_in_a_wheel_needs_no_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(redis_notice, "wheel_exists", lambda: True)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    redis_notice.main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("version", "machine", "exists"),
    [("3.12", "x86_64", True), ("3.13", "x86_64", False), ("3.12", "aarch64", False)],
)
def test_wheel_exists_where_the_extra_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, version: str, machine: str, *, exists: bool
) -> None:
    environment = {
        "python_version": version,
        "platform_machine": machine,
        "sys_platform": "linux",
        "extra": "",
    }
    monkeypatch.setattr("pip._vendor.packaging.markers.default_environment", lambda: environment)
    assert redis_notice.wheel_exists() is exists
