"""Addresses to listen on."""

import socket

import pytest

from ridgeline.cli.errors import StartError
from ridgeline.cli.local.address import Address, free_address


def test_port_0_becomes_a_free_port() -> None:
    address = free_address(Address("127.0.0.1", 0))
    assert address.port > 0
    with socket.create_server((address.host, address.port)):
        pass


def test_port_in_use_is_rejected_with_ways_to_choose_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError) as caught:
            free_address(Address("127.0.0.1", port))
    assert f"port {port} of 127.0.0.1 is in use" in str(caught.value)
    assert "--port 0" in str(caught.value)
    assert 'make run ARGS="--port 0"' in str(caught.value)


def test_address_of_another_machine_is_rejected() -> None:
    with pytest.raises(StartError, match=r"192\.0\.2\.1.*--host"):
        free_address(Address("192.0.2.1", 8000))


def test_host_that_does_not_resolve_is_rejected() -> None:
    with pytest.raises(StartError, match=r"expected a name or an address .* received 'no host'"):
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
def test_url_for_clients_on_this_machine(host: str, url: str, loopback: bool) -> None:
    address = Address(host, 80)
    assert address.url == url
    assert address.loopback is loopback
