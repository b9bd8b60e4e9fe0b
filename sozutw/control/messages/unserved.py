"""What Sōzu serves and this version does not: a refusal of its own, for each by its name."""

from typing import Final

from sozutw.config.state import RefusedRequestError

_AS_MANY: Final = "worker_count says how many workers there are; an upgrade takes a new number"
_MAIN_HAS_THEM: Final = "the main process has the listening sockets itself"
_NO_TCP: Final = "this version has http and https listeners only"
_NO_UDP: Final = "this version takes no datagrams"

VERBS: Final = {
    "launch_worker": ("LaunchWorker", _AS_MANY),
    "return_listen_sockets": ("ReturnListenSockets", _MAIN_HAS_THEM),
    "add_tcp_listener": ("AddTcpListener", _NO_TCP),
    "update_tcp_listener": ("UpdateTcpListener", _NO_TCP),
    "add_tcp_frontend": ("AddTcpFrontend", _NO_TCP),
    "remove_tcp_frontend": ("RemoveTcpFrontend", _NO_TCP),
    "add_udp_listener": ("AddUdpListener", _NO_UDP),
    "update_udp_listener": ("UpdateUdpListener", _NO_UDP),
    "add_udp_frontend": ("AddUdpFrontend", _NO_UDP),
    "remove_udp_frontend": ("RemoveUdpFrontend", _NO_UDP),
}
"""By the field of the request: the verb's name, and why it is not served."""


class UnservedRequestError(RefusedRequestError):
    """The request is right, and this version cannot serve what it asks for."""


def unserved(what: str, instead: str) -> UnservedRequestError:
    """Return the refusal of something by name; ``instead`` is how it is here."""
    return UnservedRequestError(f"{what} is not served yet: {instead}")
