"""
Sockets that systemd, or whoever works alike, opened for this process: socket activation.

They are descriptors from 3 on. Their number is in LISTEN_FDS, and LISTEN_PID says for whom they
are.
"""

import os
from collections.abc import MutableMapping
from typing import Final

from twisted.logger import Logger

from sozutw.listen.handed import HandedSockets, place_of, takes_ipv4_too
from sozutw.listen.sockets import CannotListenError, adopt

_log = Logger()

FIRST_DESCRIPTOR: Final = 3
DESCRIPTORS_MAX: Final = 4096
"""More than any unit has; a number beyond it is none."""
_VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def take_handed_sockets(
    environment: MutableMapping[str, str], first: int = FIRST_DESCRIPTOR
) -> HandedSockets:
    """
    Adopt the sockets that the environment tells of, and take that out for our children's sake.

    What is no listening stream socket is closed, with a warning.
    """
    count, pid, names = (environment.pop(name, "") for name in _VARIABLES)
    handed = HandedSockets()
    if not count or pid != str(os.getpid()):
        return handed
    if not count.isdecimal() or int(count) > DESCRIPTORS_MAX:
        _log.warn("LISTEN_FDS is {count}, which is no number of sockets", count=count)
        return handed
    named = dict(enumerate(names.split(":"), first))
    for descriptor in range(first, first + int(count)):
        name = named.get(descriptor) or "unnamed"
        try:
            sock = adopt(descriptor)
        except CannotListenError as error:
            _log.warn("a socket that was handed over ({name}): {error}", name=name, error=error)
            _close(descriptor)
            continue
        if takes_ipv4_too(sock):
            _log.warn(
                "{place} ({name}) takes IPv4 clients too, whose addresses are then ::ffff:…;"
                " BindIPv6Only=ipv6-only is meant",
                place=str(place_of(sock)),
                name=name,
            )
        _log.info("{place} was handed over ({name})", place=str(place_of(sock)), name=name)
        handed.add(sock)
    return handed


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return  # It was none at all.
