"""The proxy simulates network faults."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.rig.process import free_port
from tests.rig.proxy import Proxy

WAIT_S = 5.0
SHORT_S = 0.05


class Echo:
    """A server that echoes the bytes it receives."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(2**16):
                connection.sendall(data)


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.port) as proxy:
        yield proxy


@pytest.fixture
def connection(proxy: Proxy) -> Iterator[socket.socket]:
    with connect(proxy) as connection:
        yield connection


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def exchange(connection: socket.socket, data: bytes) -> bytes:
    """Send the bytes and return as many from the echo."""
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection: socket.socket, count: int) -> bytes:
    """The next `count` bytes, or fewer at the end of the stream."""
    received = b""
    with suppress(ConnectionError):
        while len(received) < count and (data := connection.recv(count - len(received))):
            received += data
    return received


def broken(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_bytes_and_end_of_stream_are_forwarded_both_ways(connection: socket.socket) -> None:
    big = bytes(range(256)) * 4096
    threading.Thread(target=connection.sendall, args=(big,), daemon=True).start()
    assert receive(connection, len(big)) == big
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""


def test_many_connections_are_forwarded_at_once(proxy: Proxy) -> None:
    connections = [connect(proxy) for _ in range(20)]
    for number, connection in enumerate(connections):
        assert exchange(connection, b"%d" % number) == b"%d" % number
        connection.close()
    assert proxy.connections == 20


def test_refuse_breaks_and_refuses_connections_until_forward(
    proxy: Proxy, connection: socket.socket
) -> None:
    assert exchange(connection, b"x") == b"x"
    proxy.refuse()
    assert broken(connection)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.forward()
    with connect(proxy) as again:
        assert exchange(again, b"y") == b"y"


def test_cut_breaks_open_connections_and_forwards_new_ones(
    proxy: Proxy, connection: socket.socket
) -> None:
    assert exchange(connection, b"x") == b"x"
    proxy.cut()
    assert broken(connection)
    with connect(proxy) as again:
        assert exchange(again, b"y") == b"y"


def test_stall_accepts_connections_and_holds_bytes_until_forward(
    proxy: Proxy, connection: socket.socket
) -> None:
    assert exchange(connection, b"x") == b"x"
    proxy.stall()
    with connect(proxy) as new:
        for client in (connection, new):
            client.sendall(b"held")
            client.settimeout(SHORT_S)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.settimeout(WAIT_S)
        proxy.forward()
        assert [receive(client, 4) for client in (connection, new)] == [b"held", b"held"]


def test_delay_applies_in_both_directions(proxy: Proxy, connection: socket.socket) -> None:
    assert exchange(connection, b"x") == b"x"
    proxy.delay(0.1)
    started = time.monotonic()
    assert exchange(connection, b"x") == b"x"
    assert time.monotonic() - started >= 0.2
    proxy.forward()
    started = time.monotonic()
    assert exchange(connection, b"x") == b"x"
    assert time.monotonic() - started < 0.1


@pytest.mark.parametrize("count", [1, 10, 99])
def test_cut_after_forwards_the_given_bytes_then_breaks_once(
    proxy: Proxy, connection: socket.socket, count: int
) -> None:
    assert exchange(connection, b"x") == b"x"
    proxy.cut_after(100 + count)  # there, and `count` bytes of the way back
    assert exchange(connection, b"z" * 100) == b"z" * count
    assert broken(connection)
    with connect(proxy) as again:
        assert exchange(again, b"y" * 500) == b"y" * 500


def test_missing_target_breaks_the_connection() -> None:
    with Proxy(free_port()) as proxy, connect(proxy) as connection:
        assert broken(connection)


def test_close_breaks_connections_and_can_be_repeated(echo: Echo) -> None:
    proxy = Proxy(echo.port)
    with connect(proxy) as connection:
        assert exchange(connection, b"x") == b"x"
        proxy.close()
        assert broken(connection)
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
