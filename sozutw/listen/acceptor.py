"""
Accept clients: at most as many as there is room for, the newest first when some had to wait.

A client that waits longest has most likely given up; serving it first would make all the others
give up in turn.
"""

import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IDelayedCall, IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from sozutw.listen.sockets import BACKLOG, shut_out
from sozutw.metrics.counters import ListenerCounters, WorkerCounters
from sozutw.transport.loop import Loop, close_later
from sozutw.transport.stream import MakeTransport, StreamTransport

_log = Logger()

ACCEPTS_MAX = 64
"""For one wake-up; others want to be served too."""
EXHAUSTED_SECONDS = 0.25
"""How long accepting rests when the system has nothing left."""

_PASSING = frozenset(
    # accept(2): the client is gone already, or its network is; the next one may be well.
    (
        errno.ECONNABORTED,
        errno.EPERM,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
        errno.ETIMEDOUT,
        errno.EINTR,
        errno.EAGAIN,
    )
)


class Admission(Protocol):
    """Who knows how many clients are served."""

    def has_room(self) -> bool:
        """Whether one more client may be served now."""
        ...


class Waiting(NamedTuple):
    """A client for whom there was no room."""

    sock: socket.socket
    address: Any
    since: float


class QueueCounts(NamedTuple):
    """Where it is counted that clients have to wait."""

    worker: WorkerCounters
    listener: ListenerCounters


@implementer(IReadDescriptor)
class Acceptor:
    """
    A listening socket, the factory for its clients' protocols, and the clients who wait.

    It begins paused. A client is accepted even when there is no room, and waits in a bounded
    queue; when that is full, the kernel's backlog keeps the rest. Whoever makes room calls
    ``room_made``. When the system has no descriptor left, accepting rests for a quarter of a
    second at a time; from the second time on, one is spared to turn clients away.
    """

    def __init__(
        self,
        reactor: Loop,
        sock: socket.socket,
        factory: Any,
        admission: Admission,
        queue_seconds_max: float = 60.0,
        queue_max: int = 16,
        counts: "QueueCounts | None" = None,
        make_transport: MakeTransport = StreamTransport,
    ) -> None:
        assert queue_max > 0
        self.accepted_total = 0
        """Clients who got a protocol."""
        self.refused_total = 0
        """Clients whom the factory did not want."""
        self.exhausted_total = 0
        """How often the system had nothing left to accept with."""
        self.shed_total = 0
        """Clients turned away because of that."""
        self._reactor = reactor
        self._socket = sock
        self._factory = factory
        self._has_room = admission.has_room
        self._queue_seconds_max = queue_seconds_max
        self._queue_max = queue_max
        self._waiting: deque[Waiting] = deque()
        self._timer: IDelayedCall | None = None
        self._rest: IDelayedCall | None = None
        self.counts = counts or QueueCounts(WorkerCounters(), ListenerCounters())
        self._is_paused = True
        self._is_closed = False
        self._is_exhausted = False
        self._burst = 1
        self._host = address_of(sock.getsockname())
        self._has_one_host = _is_specific(self._host)
        self._spare: int | None = _spare_descriptor()
        sock.setblocking(False)
        self._accept = _accept_of(sock)
        self._make_transport = make_transport

    @property
    def waiting(self) -> int:
        """How many clients wait for room."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether so many wait that no more are accepted."""
        return len(self._waiting) >= self._queue_max

    def resume(self) -> None:
        """Accept, now or again."""
        if not self._is_closed:
            self._is_paused = False
            self._listen()

    def pause(self) -> None:
        """Accept no more for now; the backlog keeps who comes."""
        self._is_paused = True
        self._reactor.removeReader(self)

    def room_made(self) -> None:
        """Serve who waits, newest first; drop who waited too long."""
        self._drop_stale()
        while self._waiting and self._has_room():
            client = self._waiting.pop()
            waited = self._reactor.seconds() - client.since
            self.counts.worker.accept_wait_time.add(int(waited * 1e6))
            self._admit(client.sock, client.address)
        self._set_timer()
        self._listen()

    def close(self, *, is_last: bool = False) -> None:
        """
        Serve who has connected already, listen no more, and turn away who waits for room.

        The last to close a socket shuts out who comes meanwhile; else others go on with it.
        """
        if is_last and not self._is_closed:
            shut_out(self._socket)
        if self._is_listening():
            self._is_paused = True  # Whoever closes it once more meanwhile does only that.
            self._accept_the_rest()
        if not self._is_closed:
            close_later(self._reactor, self.release())

    def release(self) -> socket.socket:
        """Turn away who waits, and give the listening socket to the caller, who goes on with it."""
        assert not self._is_closed
        self._is_closed = True
        self._is_paused = True
        self._reactor.removeReader(self)
        while self._waiting:
            self._waiting.pop().sock.close()
        for call in (self._timer, self._rest):
            if call is not None and call.active():
                call.cancel()
        self._timer = self._rest = None
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        return self._socket

    def getHost(self) -> IAddress:  # as Twisted's ports have it
        """Return the address that it listens on."""
        return self._host

    # What the reactor calls.

    def doRead(self) -> None:
        """Somebody connected, perhaps many."""
        if not self._is_listening():
            return
        # Mostly one client comes at a time, and asking for a second costs a call in vain. Where
        # many come, the number asked for doubles with each wake-up.
        for _ in range(self._burst):
            if len(self._waiting) >= self._queue_max:  # Hot: not is_full, a frame less
                self._reactor.removeReader(self)
                return
            try:
                sock, address = self._accept()
            except OSError as fault:
                self._burst = 1
                self._not_accepted(fault)
                return
            if self._is_exhausted:
                self._recovered()
            if self._has_room():
                self._admit(sock, address)
            else:
                self.counts.listener.capped += 1
                self._waiting.append(Waiting(sock, address, self._reactor.seconds()))
                self._set_timer()
            if not self._is_listening():  # its protocol may have had us pause
                return
        self._burst = min(2 * self._burst, ACCEPTS_MAX)

    def connectionLost(self, reason: object) -> None:  # noqa: ARG002
        """The reactor gave us up."""
        self.close()

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return -1 if self._is_closed else self._socket.fileno()

    def logPrefix(self) -> str:
        """Name it in logs."""
        return "Acceptor"

    # How it goes on.

    def _is_listening(self) -> bool:
        return not (self._is_paused or self._is_closed)

    def _listen(self) -> None:
        if self._is_listening() and self._rest is None and not self.is_full:
            self._watch()

    def _watch(self) -> None:
        self._reactor.addReader(self)

    def _accept_the_rest(self) -> None:
        """Whoever is in the kernel's queue takes himself for connected: a close resets him."""
        for _ in range(BACKLOG):
            if self._waiting or not self._has_room():
                return
            try:
                sock, address = self._accept()
            except OSError:
                return
            self._admit(sock, address)

    def _admit(self, sock: socket.socket, address: Any) -> None:
        peer = _peer_of(address)
        try:
            protocol = self._factory.buildProtocol(peer)
            if protocol is None:
                self.refused_total += 1
                sock.close()
                return
            host = self._host if self._has_one_host else address_of(sock.getsockname())
            transport = self._make_transport(self._reactor, sock, protocol, host, peer)
        except Exception:  # noqa: BLE001  # one client's trouble is not the next one's
            _log.failure("no protocol for a client")
            sock.close()
            return
        self.accepted_total += 1
        transport.resumeProducing()
        try:
            protocol.makeConnection(transport)
        except Exception:  # noqa: BLE001
            _log.failure("a protocol failed as it was connected")
            transport.abortConnection()

    def _not_accepted(self, fault: OSError) -> None:
        if fault.errno in _PASSING:
            return
        # EMFILE, ENFILE, ENOBUFS, ENOMEM, or something unheard of: the socket stays readable, so
        # that to go on at once would be to spin.
        self.exhausted_total += 1
        if self._is_exhausted:
            self._shed()
        else:
            self._is_exhausted = True
            _log.error("cannot accept: {reason}; trying again", reason=str(fault))
        self._reactor.removeReader(self)
        self._rest = self._reactor.callLater(EXHAUSTED_SECONDS, self._rested)

    def _rested(self) -> None:
        self._rest = None
        self._listen()

    def _recovered(self) -> None:
        self._is_exhausted = False
        if self._spare is None:
            self._spare = _spare_descriptor()
        _log.info("accepting again")

    def _shed(self) -> None:
        """Turn clients away with the spare descriptor: an end is better than silence."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        for _ in range(ACCEPTS_MAX):
            try:
                sock, _ = self._accept()
            except OSError:
                break
            sock.close()
            self.shed_total += 1
        self._spare = _spare_descriptor()

    def _drop_stale(self) -> None:
        oldest = self._reactor.seconds() - self._queue_seconds_max
        while self._waiting and self._waiting[0].since <= oldest:
            self._waiting.popleft().sock.close()
            self.counts.worker.accept_queue_timeouts += 1

    def _set_timer(self) -> None:
        """One timer, for the client who waits longest; it may fire for one who was served."""
        if self._waiting and self._timer is None:
            due = self._waiting[0].since + self._queue_seconds_max
            seconds = max(0.0, due - self._reactor.seconds())
            self._timer = self._reactor.callLater(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self._drop_stale()
        self._set_timer()
        self._listen()


def _accept_of(listening: socket.socket) -> Callable[[], tuple[socket.socket, Any]]:
    """
    Return what accepts a client.

    Hot: the socket module's own ``accept`` wraps each descriptor in a class written in Python,
    which costs 3 µs for each connection at its beginning and 2 at its end. The class in C below
    it, ``SocketType``, has all that a transport asks of a socket.
    """
    accept = getattr(listening, "_accept", None)
    if accept is None:
        return listening.accept
    family, kind, proto = listening.family, listening.type, listening.proto
    make: Any = socket.SocketType

    def accept_one() -> tuple[socket.socket, Any]:
        descriptor, address = accept()
        return make(family, kind, proto, descriptor), address

    return accept_one


def address_of(name: Any) -> IAddress:
    """Return what the socket module tells, as Twisted tells it."""
    if isinstance(name, tuple):
        host, port = name[:2]
        return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)
    return UNIXAddress(name or None)


@implementer(IAddress)
class PeerAddress(NamedTuple):
    """
    A client's address as Twisted's own classes tell it.

    Hot: those check their arguments, 2 µs for each connection.
    """

    host: str
    port: int
    type: str = "TCP"


def _peer_of(name: Any) -> IAddress:
    return PeerAddress(name[0], name[1]) if isinstance(name, tuple) else UNIXAddress(name or None)


def _is_specific(address: IAddress) -> bool:
    return getattr(address, "host", "") not in {"0.0.0.0", "::"}  # noqa: S104


def _spare_descriptor() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
