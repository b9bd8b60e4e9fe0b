"""The command socket as a service: who may come in, and how everybody leaves."""

import errno
import os
import socket
import struct
from collections.abc import Iterable
from itertools import count
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.unix import Server
from twisted.logger import Logger
from typing_extensions import override

from sozutw.control.channel.connection import CommandConnection, Terms
from sozutw.control.channel.socket_file import HandedSocketFile, SocketFile
from sozutw.control.desk import Actor, Desk
from sozutw.control.replies import failure
from sozutw.listen.acceptor import Acceptor
from sozutw.listen.handed import HandedSockets
from sozutw.wire.channel import frame

_log = Logger()

CLIENTS_MAX: Final = 64
IDLE_SECONDS: Final = 30.0
"""Who has asked nothing for as long makes room for another, if there is none."""
STOP_SECONDS: Final = 10.0
"""How long a stop waits for answers that are under way."""

_PEERCRED: Final = struct.Struct("iII")


class CommandService(Service):
    """
    Listens on ``path`` while it runs, and has ``desk`` serve who comes.

    It binds in ``privilegedStartService``, since only root may write in some folders, or else in
    ``startService``: either raises OSError with a text for the operator. Clients are served from
    ``startService`` on. At the end the Deferred of ``stopService`` fires when all are gone: the
    idle at once, the others with their answer or after STOP_SECONDS.
    """

    def __init__(
        self,
        reactor: Any,
        path: str,
        desk: Desk,
        allowed_uids: Iterable[int] | None = None,
        message_bytes_max: int = 2_000_000,
        clients_max: int = CLIENTS_MAX,
        handed: HandedSockets | None = None,
    ) -> None:
        self.path = path
        self._handed = handed or HandedSockets()
        self._reactor = reactor
        uids = None if allowed_uids is None else frozenset(allowed_uids)
        self._terms = Terms(reactor, desk, uids, message_bytes_max)
        self._clients_max = clients_max
        self._clients: dict[CommandConnection, None] = {}
        """In the order in which they came."""
        self._client_ids = count(1)
        self._file: SocketFile | None = None
        self._is_handed_over = False
        """Whether the socket's file is another process's to remove."""
        self._acceptor: Acceptor | None = None
        self._gone: Deferred[None] | None = None

    @override
    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._bind()

    @override
    def startService(self) -> None:
        file = self._bind()
        super().startService()
        self._gone = None
        self._is_handed_over = False
        self._acceptor = Acceptor(
            self._reactor, file.sock, self, self, make_transport=_transport_of
        )
        self._acceptor.resume()

    @override
    def stopService(self) -> "Deferred[None]":
        super().stopService()
        if self._file is not None:
            if not self._is_handed_over:
                self._remove(self._file)
            if self._acceptor is not None:
                self._acceptor.close()  # and the socket with it
            else:
                self._file.sock.close()
            self._file = self._acceptor = None
        for client in tuple(self._clients):
            client.finish()
        if not self._clients:
            return succeed(None)
        self._gone = Deferred()
        cut = self._reactor.callLater(STOP_SECONDS, self._cut)
        return self._gone.addCallback(lambda _: cut.cancel() if cut.active() else None)

    @property
    def descriptor(self) -> int:
        """The listening socket, to be handed over; -1 if there is none."""
        return -1 if self._file is None else self._file.sock.fileno()

    def adopt(self, sock: socket.socket) -> None:
        """
        Listen on what another process has made; raises OSError if its file is gone.

        Until ``startService`` the file is that process's.
        """
        if self._handed.is_kept(os.path.realpath(self.path)):
            self._file = self._handed_file(sock)
        else:
            self._file = SocketFile(self.path, sock)
        self._is_handed_over = True

    def hand_over(self) -> None:
        """Another process listens on the socket now: take nobody new, and leave its file alone."""
        self._is_handed_over = True
        if self._acceptor is not None:
            self._acceptor.pause()

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have the socket's file, once it is bound; raises OSError if it cannot be."""
        if self._file is not None:
            self._file.give_to(uid, gid)

    def __len__(self) -> int:
        """Tell how many clients are connected."""
        return len(self._clients)

    # What the acceptor asks.

    def has_room(self) -> bool:
        """Let everybody in: who is too many is told so."""
        return True

    def buildProtocol(self, addr: IAddress) -> Protocol:  # noqa: ARG002  # Twisted's factories have it
        """Return what serves one more client, or turns it away."""
        if len(self._clients) >= self._clients_max and not self._make_room():
            return TurnedAway(self._clients_max)
        client = CommandConnection(self._terms, self._actor_of, self._ended)
        self._clients[client] = None
        return client

    def _make_room(self) -> bool:
        """Part with the client that has asked nothing for longest, if that was long enough."""
        idlest = max(self._clients, key=lambda client: client.idle_seconds)
        if idlest.idle_seconds < IDLE_SECONDS:
            return False
        # Its end is not waited for: it must not count any more.
        del self._clients[idlest]
        idlest.abort()
        return True

    def _ended(self, client: CommandConnection) -> None:
        self._clients.pop(client, None)
        if not self._clients and self._gone is not None:
            gone, self._gone = self._gone, None
            gone.callback(None)

    def _cut(self) -> None:
        for client in tuple(self._clients):
            client.abort()

    def _bind(self) -> SocketFile:
        if self._file is None:
            sock = self._handed.take(self.path)
            self._file = SocketFile(self.path) if sock is None else self._handed_file(sock)
        return self._file

    def _handed_file(self, sock: socket.socket) -> HandedSocketFile:
        is_guarded = self._terms.allowed_uids is not None
        return HandedSocketFile(self.path, sock, is_guarded=is_guarded)

    def _remove(self, file: SocketFile) -> None:
        try:
            file.remove()
        except OSError as fault:
            # The privileges to make it may be gone. It is stale now, and taken for that.
            why = os.strerror(fault.errno or errno.EIO)
            _log.info("the command socket {path} stays behind: {why}", path=self.path, why=why)

    def _actor_of(self, transport: Any) -> Actor:
        told = transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
        pid, uid, gid = _PEERCRED.unpack(told)
        return Actor(uid, gid, pid, command_of(pid), next(self._client_ids))


class TurnedAway(Protocol):
    """What a client gets that is one too many."""

    transport: Any

    def __init__(self, clients_max: int) -> None:
        self._text = f"{clients_max} clients are connected already, which is the most; try again"

    @override
    def connectionMade(self) -> None:
        # So little always fits into the kernel's buffer: the end does not wait for the client.
        self.transport.write(frame(failure(self._text).SerializeToString()))
        self.transport.loseConnection()


class _Transport(Server):
    """Twisted's transport, for a socket that another than Twisted's port accepted."""

    def __init__(self, reactor: Any, sock: socket.socket, protocol: Any, path: str) -> None:
        super().__init__(sock, protocol, "", None, 0, reactor)
        self.repstr = f"<{type(protocol).__name__} on {path}>"


def _transport_of(reactor: Any, sock: Any, protocol: Any, host: Any, peer: IAddress) -> Any:  # noqa: ARG001
    return _Transport(reactor, sock, protocol, os.fsdecode(host.name))


def command_of(pid: int) -> str:
    """Return the short name of a process, as it calls itself; empty if it cannot be read."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read(64).rstrip(b"\n").decode(errors="replace")
    except OSError:
        return ""
