"""
Frame budgets of accepting a client: alone, and where other workers accept on the same socket.

What a worker does so that each gets its share must cost little, and a process without workers
nothing.
"""

import socket
import sys
from collections.abc import Callable

from twisted.internet.protocol import Protocol

from sozutw.config.model import InetAddress
from sozutw.listen.acceptor import Acceptor
from sozutw.listen.shared_acceptor import SharedAcceptor
from sozutw.listen.shares import Shares
from sozutw.listen.sockets import bind
from tests.fakes.loops import loop_named
from tests.perf.rig import Frames

ACCEPT_FRAMES_MAX = 10
SHARING_FRAMES_MAX = 4
"""More than that, where the work is shared."""
TIMES = 20


class Doorman:
    """Lets all in; no frame of sozutw."""

    def has_room(self) -> bool:
        return True

    def buildProtocol(self, _addr: object) -> Protocol:
        return Protocol()


def frames_of(kind: Callable[..., Acceptor]) -> Frames:
    """Return what is entered for so many clients, each of whom comes alone and leaves."""
    frames = Frames()
    with loop_named("direct") as loop, bind(InetAddress("127.0.0.1", 0)) as sock:
        doorman = Doorman()
        acceptor = kind(loop.reactor, sock, doorman, doorman)
        acceptor.resume()
        for number in range(TIMES + 1):
            with socket.create_connection(sock.getsockname()):
                before = acceptor.accepted_total
                if number:  # the first one fills what is made once
                    sys.setprofile(frames._entered)
                acceptor.doRead()
                sys.setprofile(None)
                assert acceptor.accepted_total == before + 1
            loop.settle(2)
        acceptor.release()
    return frames


def shared(*arguments: object) -> Acceptor:
    share = Shares().give()
    assert share is not None
    return SharedAcceptor(*arguments, share=share, clients=[1, 2].__len__)


def test_a_client_is_accepted_in_few_frames() -> None:
    frames = frames_of(Acceptor)
    assert frames.total / TIMES <= ACCEPT_FRAMES_MAX, str(frames)


def test_to_share_the_work_takes_few_frames_more() -> None:
    alone, together = frames_of(Acceptor), frames_of(shared)
    more = (together.total - alone.total) / TIMES
    assert more <= SHARING_FRAMES_MAX, f"{more} more\n{together}"
