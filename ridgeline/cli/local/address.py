"""The address an API listens on."""

import errno
import ipaddress
import socket
from dataclasses import dataclass

from ridgeline.cli.errors import StartError

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class Address:
    """A host and a port; port 0 stands for any free one."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL of the API for clients on this machine."""
        host = self.reached_at
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def reached_at(self) -> str:
        """The host to connect to from this machine."""
        return _ANY.get(self.host, self.host)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect to it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def free_address(address: Address) -> Address:
    """Check that a server can listen on `address`, and replace port 0 with a free one.

    Raises StartError.
    """
    host, port = address.host, address.port
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a port with connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
            probe.listen()
            return Address(host, int(probe.getsockname()[1]))
    except socket.gaierror as error:
        raise StartError(
            f"expected a name or an address of this machine for --host, received {host!r}:"
            f" {error.strerror}"
        ) from error
    except OSError as error:
        raise StartError(_explanation(host, port, error)) from error


def _explanation(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use by another program; stop it or choose another port:"
            ' --port 0 uses any free one (with make: make run ARGS="--port 0")'
        )
    if error.errno == errno.EACCES:
        return f"no permission to listen on port {port}; choose one above 1023 with --port"
    return f"cannot listen on {host}, port {port}: {error.strerror}; choose another with --host"
