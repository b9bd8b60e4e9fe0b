"""
Addresses and networks as they are written in a file.

Each function raises ValueError with what is meant, ready to stand after "…; ".
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface
from typing import Final

from sozutw.config.hostnames import ascii_name
from sozutw.config.model import BackendAddress, InetAddress, UnixAddress

PORT_MAX: Final = 65_535
_PORT: Final = re.compile(r"[0-9]{1,5}")
_UNIX: Final = "unix:"


def parse_socket_address(text: str) -> InetAddress:
    """Read ``127.0.0.1:80`` or ``[::1]:80``; a name is refused."""
    host, port = _split(text)
    try:
        return InetAddress(_canonical(host), port)
    except ValueError:
        raise ValueError(f"{host!r} is no IP address; IP:PORT or [IPV6]:PORT is meant") from None


def parse_backend_address(text: str, folder: str) -> BackendAddress:
    """Read what ``parse_socket_address`` reads, or ``name:80``, or ``unix:path``."""
    if text.startswith(_UNIX):
        path = text[len(_UNIX) :]
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path or "\0" in path:
            raise ValueError("unix: and the path of a socket is meant")
        return UnixAddress(path_in(folder, path))
    host, port = _split(text)
    try:
        return InetAddress(_canonical(host), port)
    except ValueError:
        if ":" in host or host.rpartition(".")[2].isdigit():
            raise ValueError(f"{host!r} is no IP address, nor can it be a host name") from None
    return InetAddress(ascii_name(host), port)


def parse_listen_address(text: str) -> InetAddress:
    """
    Read where a command line wants to listen: ``8080``, ``:8080`` or an address.

    A port alone means every IPv4 address of the machine, as with other proxies.
    """
    port = text.removeprefix(":")
    return parse_socket_address(f"0.0.0.0:{port}" if _PORT.fullmatch(port) else text)


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Read ``10.0.0.0/8``, or one address, which is a network of its own."""
    try:
        interface = ip_interface(text)
    except ValueError:
        raise ValueError("a network such as 10.0.0.0/8 or fd00::/8 is meant") from None
    if interface.ip != interface.network.network_address:
        raise ValueError(f"it has bits beyond its prefix; {interface.network} is meant")
    return interface.network


def path_in(folder: str, path: str) -> str:
    """Return ``path`` as seen from ``folder``, which is empty or ends with a slash."""
    return path if path.startswith("/") else folder + path.removeprefix("./")


def folder_of(path: str) -> str:
    """Return the folder of a file with its slash, empty for the current one."""
    head, slash, _ = path.rpartition("/")
    return head + slash


def _split(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not _PORT.fullmatch(port):
        raise ValueError("a host and a port are meant, as in 127.0.0.1:8080 or [::1]:8080")
    number = int(port)
    if not 0 < number <= PORT_MAX:
        raise ValueError(f"a port from 1 to {PORT_MAX} is meant")
    if host.startswith("[") and host.endswith("]"):
        if ":" not in host:
            raise ValueError("brackets are for IPv6 addresses, as in [::1]:8080")
        return host[1:-1], number
    if ":" in host:
        raise ValueError(f"an IPv6 address stands in brackets, as in [{host}]:{port}")
    return host, number


def _canonical(host: str) -> str:
    return str(ip_address(host))
