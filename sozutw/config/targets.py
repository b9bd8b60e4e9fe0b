"""
Where logs go, read from ``stdout``, ``file://``, ``udp://``, ``tcp://`` and ``unix://``.

Nothing is opened or resolved here; ``process.logs.reporting`` does that.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from sozutw.config.model import InetAddress

FORMS_MEANT: Final = "stdout, file://PATH, udp://IP:PORT, tcp://HOST:PORT or unix://PATH is meant"
UNIX_PATH_BYTES_MAX: Final = 107
"""What the kernel has room for (sun_path, less its final zero)."""
_PORT_MAX: Final = 65_535
_PORT_DIGITS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class StdoutTarget:
    """Descriptor 1."""


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A file that is appended to."""

    path: str


@dataclass(frozen=True, slots=True)
class UdpTarget:
    """Datagrams to an IP address."""

    address: InetAddress


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """A connection to an IP address or a host name."""

    address: InetAddress


@dataclass(frozen=True, slots=True)
class UnixTarget:
    """Datagrams to a socket in the file system."""

    path: str


Target = StdoutTarget | FileTarget | UdpTarget | TcpTarget | UnixTarget


def parse_target(text: str, folder: str = "") -> Target:
    """
    Read a target, or raise a ValueError that says what is wrong and what is meant.

    A relative path is taken from ``folder``.
    """
    if text == "stdout":
        return StdoutTarget()
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError(f"{text!r} is not a target; {FORMS_MEANT}")
    match scheme:
        case "file":
            return FileTarget(_path(text, rest, folder))
        case "unix":
            path = _path(text, rest, folder)
            if len(path.encode()) > UNIX_PATH_BYTES_MAX:
                raise ValueError(
                    f"{text!r} is too long for a socket; {UNIX_PATH_BYTES_MAX} bytes are meant"
                )
            return UnixTarget(path)
        case "udp":
            address = _address(text, rest)
            if not _is_ip(address.host):
                raise ValueError(f"{text!r} names a host; an IP address is meant")
            return UdpTarget(address)
        case "tcp":
            return TcpTarget(_address(text, rest))
        case _:
            raise ValueError(f"{text!r} begins with {scheme!r}; {FORMS_MEANT}")


def _path(text: str, path: str, folder: str) -> str:
    if not path or "\0" in path:
        raise ValueError(f"{text!r} has no path that could be opened")
    if path.startswith("/") or not folder:
        return path
    return f"{folder.rstrip('/')}/{path}"


def _address(text: str, rest: str) -> InetAddress:
    host, colon, port = rest.rpartition(":")
    is_number = port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS_MAX
    if not colon or not is_number or not 0 < int(port) <= _PORT_MAX:
        raise ValueError(f"{text!r} has no port; HOST:PORT is meant, with a port up to {_PORT_MAX}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_ip(host):
            raise ValueError(f"{text!r} has no IPv6 address between its brackets")
    elif ":" in host:
        raise ValueError(f"{text!r} has an IPv6 address without brackets; [HOST]:PORT is meant")
    if not host or not host.isprintable() or "/" in host or " " in host:
        raise ValueError(f"{text!r} has no host; HOST:PORT is meant")
    return InetAddress(host, int(port))


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
