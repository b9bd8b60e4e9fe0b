"""How the values in an answer are written for a person."""

from collections.abc import Iterable
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from sozutw.control.proto import command_pb2 as pb

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")
STEP: Final = 1024
"""Of units of bytes."""
_MINUTE: Final = 60
_TEN: Final = 10


def address(message: pb.SocketAddress) -> str:
    """Return ``IP:PORT``, ``NAME:PORT`` or ``unix:PATH``."""
    if message.other:
        return message.other
    match message.ip.WhichOneof("inner"):
        case "v4":
            return f"{IPv4Address(message.ip.v4)}:{message.port}"
        case "v6":
            number = message.ip.v6.high << 64 | message.ip.v6.low
            return f"[{IPv6Address(number)}]:{message.port}"
        case _:
            return f"?:{message.port}"


def path(rule: pb.PathRule) -> str:
    """Return what of the path a rule is for."""
    match rule.kind:
        case pb.REGEX:
            return f"~ {rule.value}"
        case pb.EQUALS:
            return f"= {rule.value}"
        case _:
            return f"{rule.value or '/'}*" if not rule.value.endswith("*") else rule.value


def tags(held: Iterable[tuple[str, str]]) -> str:
    """Return ``key=value`` for each, sorted."""
    return ", ".join(f"{key}={value}" for key, value in sorted(held))


def yes(value: bool) -> str:
    """Return yes or no."""
    return "yes" if value else "no"


def seconds(value: float) -> str:
    """Return a duration with its unit."""
    return f"{value:g} s"


def age(value: float) -> str:
    """Return how long something has lasted, in few letters."""
    if value < _TEN:
        return f"{value:.1f} s"
    if value < _MINUTE:
        return f"{value:.0f} s"
    return str(timedelta(seconds=int(value)))


def size(count: int) -> str:
    """Return a number of bytes with its unit."""
    if count < STEP:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS:
        value /= STEP
        if value < STEP or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"
