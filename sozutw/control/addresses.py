"""Addresses of messages: a number and a port, or a text where that is not enough."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from sozutw.config.addresses import PORT_MAX, parse_backend_address, parse_socket_address
from sozutw.config.model import BackendAddress, InetAddress, UnixAddress
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb

_HALF: Final = 64
_LOW: Final = 2**_HALF - 1


def address_of(message: pb.SocketAddress, field: str = "address") -> InetAddress:
    """Return an IP address and a port; raises RefusedRequestError if they are none."""
    if message.HasField("other"):
        try:
            # An IPv6 address may have a zone, which no number tells.
            return parse_socket_address(message.other)
        except ValueError as error:
            raise _wrong(message.other, field, str(error)) from None
    if not 0 < message.port <= PORT_MAX:
        raise RefusedRequestError(
            f"{field} has port {message.port}; a port from 1 to {PORT_MAX} is meant"
        )
    match message.ip.WhichOneof("inner"):
        case "v4":
            return _inet(message.ip.v4, False, message.port)
        case "v6":
            number = message.ip.v6.high << _HALF | message.ip.v6.low
            return _inet(number, True, message.port)
        case _:
            raise RefusedRequestError(f"{field} has no IP address; v4 or v6 is meant in its ip")


def backend_address_of(message: pb.SocketAddress, field: str = "address") -> BackendAddress:
    """Return what ``address_of`` does, or a host name with a port, or a path."""
    if not message.HasField("other"):
        return address_of(message, field)
    try:
        return parse_backend_address(message.other, "")
    except ValueError as error:
        raise _wrong(message.other, field, str(error)) from None


def address_message(address: BackendAddress) -> pb.SocketAddress:
    """Return an address as a message; what Sōzu has no number for is 0.0.0.0:0 and a text."""
    if isinstance(address, UnixAddress):
        return _other(address)
    try:
        ip = ip_address(address.host)
    except ValueError:
        return _other(address)
    message = pb.SocketAddress(port=address.port)
    if isinstance(ip, IPv4Address):
        message.ip.v4 = int(ip)
    elif ip.scope_id is not None:
        return _other(address)
    else:
        message.ip.v6.high, message.ip.v6.low = int(ip) >> _HALF, int(ip) & _LOW
    return message


@lru_cache(maxsize=256)  # Thousands of frontends stand at one address.
def _inet(number: int, is_v6: bool, port: int) -> InetAddress:
    return InetAddress(str(IPv6Address(number) if is_v6 else IPv4Address(number)), port)


def _other(address: BackendAddress) -> pb.SocketAddress:
    message = pb.SocketAddress(port=0, other=str(address))
    message.ip.v4 = 0
    return message


def _wrong(text: str, field: str, meant: str) -> RefusedRequestError:
    return RefusedRequestError(f'{field} is "{text}"; {meant}')
