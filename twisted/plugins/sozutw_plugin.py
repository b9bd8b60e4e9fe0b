"""What twistd finds of sozutw: the service, and the reactor that it prefers."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

sozutw_service = ServiceMaker(
    "sozutw",
    "sozutw.tap",
    "A reverse proxy that is reconfigured while it runs.",
    "sozutw",
)

sozutw_reactor = Reactor(
    "sozutw",
    "sozutw.transport.reactor",
    "The epoll reactor with a shorter way from the kernel to the protocols.",
)
