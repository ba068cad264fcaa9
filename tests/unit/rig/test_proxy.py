"""The proxy is as bad a network as it is told to be."""

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
    """A server that sends back what it gets."""

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


def ask(connection: socket.socket, data: bytes) -> bytes:
    """What comes back, in full."""
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection: socket.socket, count: int) -> bytes:
    """The next `count` bytes, or what came before the end."""
    got = b""
    with suppress(ConnectionError):
        while len(got) < count and (data := connection.recv(count - len(got))):
            got += data
    return got


def broken(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_it_forwards_both_ways_and_the_end(connection: socket.socket) -> None:
    big = bytes(range(256)) * 4096
    threading.Thread(target=connection.sendall, args=(big,), daemon=True).start()
    assert receive(connection, len(big)) == big
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""


def test_it_serves_many_at_once(proxy: Proxy) -> None:
    connections = [connect(proxy) for _ in range(20)]
    for number, connection in enumerate(connections):
        assert ask(connection, b"%d" % number) == b"%d" % number
        connection.close()
    assert proxy.connections == 20


def test_refuse_breaks_and_refuses_until_it_forwards_again(
    proxy: Proxy, connection: socket.socket
) -> None:
    assert ask(connection, b"x") == b"x"
    proxy.refuse()
    assert broken(connection)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.forward()
    with connect(proxy) as again:
        assert ask(again, b"y") == b"y"


def test_cut_breaks_what_there_is_and_serves_what_comes(
    proxy: Proxy, connection: socket.socket
) -> None:
    assert ask(connection, b"x") == b"x"
    proxy.cut()
    assert broken(connection)
    with connect(proxy) as again:
        assert ask(again, b"y") == b"y"


def test_stall_accepts_and_holds_back_until_it_forwards_again(
    proxy: Proxy, connection: socket.socket
) -> None:
    assert ask(connection, b"x") == b"x"
    proxy.stall()
    with connect(proxy) as new:
        for each in (connection, new):
            each.sendall(b"held")
            each.settimeout(SHORT_S)
            with pytest.raises(TimeoutError):
                each.recv(1)
            each.settimeout(WAIT_S)
        proxy.forward()
        assert [receive(each, 4) for each in (connection, new)] == [b"held", b"held"]


def test_delay_holds_each_way_for_so_long(proxy: Proxy, connection: socket.socket) -> None:
    assert ask(connection, b"x") == b"x"
    proxy.delay(0.1)
    started = time.monotonic()
    assert ask(connection, b"x") == b"x"
    assert time.monotonic() - started >= 0.2
    proxy.forward()
    started = time.monotonic()
    assert ask(connection, b"x") == b"x"
    assert time.monotonic() - started < 0.1


@pytest.mark.parametrize("count", [1, 10, 99])
def test_cut_after_passes_so_many_bytes_and_then_breaks_once(
    proxy: Proxy, connection: socket.socket, count: int
) -> None:
    assert ask(connection, b"x") == b"x"
    proxy.cut_after(100 + count)  # there, and that much of the way back
    assert ask(connection, b"z" * 100) == b"z" * count
    assert broken(connection)
    with connect(proxy) as again:
        assert ask(again, b"y" * 500) == b"y" * 500


def test_a_target_that_is_gone_breaks_the_connection() -> None:
    with Proxy(free_port()) as proxy, connect(proxy) as connection:
        assert broken(connection)


def test_close_ends_everything_and_can_be_repeated(echo: Echo) -> None:
    proxy = Proxy(echo.port)
    with connect(proxy) as connection:
        assert ask(connection, b"x") == b"x"
        proxy.close()
        assert broken(connection)
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
