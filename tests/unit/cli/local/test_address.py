"""Addresses to listen on."""

import socket

import pytest

from ridgeline.cli.errors import StartError
from ridgeline.cli.local.address import Address, free_address


def test_a_free_port_is_found() -> None:
    address = free_address(Address("127.0.0.1", 0))
    assert address.port > 0
    with socket.create_server((address.host, address.port)):
        pass


def test_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"port {port} of 127\.0\.0\.1 is taken.*--port"):
            free_address(Address("127.0.0.1", port))


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(StartError, match=r"192\.0\.2\.1.*--host"):
        free_address(Address("192.0.2.1", 8000))


def test_what_is_no_address_is_said() -> None:
    with pytest.raises(StartError, match=r"expected the name or address .* received 'no host'"):
        free_address(Address("no host", 8000))


@pytest.mark.parametrize(
    ("host", "url", "loopback"),
    [
        ("127.0.0.1", "http://127.0.0.1:80", True),
        ("localhost", "http://localhost:80", True),
        ("0.0.0.0", "http://127.0.0.1:80", False),  # noqa: S104 - not bound
        ("::", "http://[::1]:80", False),
        ("::1", "http://[::1]:80", True),
        ("192.0.2.1", "http://192.0.2.1:80", False),
    ],
)
def test_how_it_is_reached(host: str, url: str, loopback: bool) -> None:
    address = Address(host, 80)
    assert address.url == url
    assert address.loopback is loopback
