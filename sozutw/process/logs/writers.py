"""
Where lines are written: descriptors and datagrams, without ever waiting for a reader.

Each writer takes whole lines and either sends them, keeps them for a while, or tells
``lost`` how many it gave up. None raises from ``write``. ``process.logs.tcp_writer`` has the one
that needs a reactor.
"""

import errno
import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed

from sozutw.config.targets import UdpTarget, UnixTarget

LinesLost = Callable[[int], None]
"""Hears how many lines were given up."""
BACKLOG_BYTES_MAX: Final = 1 << 20
"""What is kept for a reader that is slow or away; then the newest lines are given up."""
_PIPE_BYTES: Final = 4096
"""A pipe that poll calls writable takes this many without blocking (POSIX: PIPE_BUF)."""
_FILE_MODE: Final = 0o640


class Writer(Protocol):
    """Takes lines of text, each with its line end."""

    def write(self, lines: bytes) -> None:
        """Take these lines; never raise, and never wait."""

    def reopen(self) -> None:
        """Go on under the same name with what stands there now, or raise OSError and go on."""

    def close(self) -> "Deferred[None]":
        """Send what can still be sent; take nothing more."""


class Sink(Protocol):
    """Something open that takes bytes."""

    def send(self, data: bytes) -> int:
        """Take some of ``data``; say how much, or raise OSError."""

    def close(self) -> None:
        """Let go of it."""


class FileSink:
    """A file, opened for appending; a FIFO or a device will do."""

    def __init__(self, path: str) -> None:
        # Not to block matters where the path names a FIFO or a terminal.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        self._fd = _open(path, flags)
        self._path = path

    def send(self, data: bytes) -> int:
        """Write once."""
        return os.write(self._fd, data)

    def give_to(self, uid: int, gid: int) -> None:
        """
        Let a user have the file; raises OSError if it cannot be.

        Not what has another name as well, for it may be anybody's, nor a device or a FIFO.
        """
        opened, named = os.fstat(self._fd), os.lstat(self._path)
        is_that_file = (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
        if stat.S_ISREG(opened.st_mode) and is_that_file and opened.st_nlink == 1:
            os.fchown(self._fd, uid, gid)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _open(path: str, flags: int) -> int:
    """
    Open a path; as root, not by a link that another user has put there.

    Whoever the log's folder belongs to could have root write into any file.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW, _FILE_MODE)
    except OSError as error:
        if error.errno != errno.ELOOP or (os.geteuid() == 0 and os.lstat(path).st_uid != 0):
            raise
    return os.open(path, flags, _FILE_MODE)


class SharedSink:
    """
    A descriptor that others write to as well, such as standard output.

    It may not be made non-blocking, for that would hold for everybody: so each write is
    preceded by a look, and is short enough to be taken whole. It ends with a line: what several
    processes write at a time must not get mixed up within one.
    """

    def __init__(self, fd: int = 1) -> None:
        self._fd = os.dup(fd)
        mode = os.fstat(self._fd).st_mode
        self._socket: socket.socket | None = None
        self.send: Callable[[bytes], int] = self._send_by_pieces
        if stat.S_ISREG(mode):
            self.send = self._send_to_file
        elif stat.S_ISSOCK(mode):  # journald gives its services one.
            self._socket = socket.socket(fileno=self._fd)
            self.send = self._send_to_socket
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)

    def close(self) -> None:
        """Close our copy of the descriptor."""
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._fd)

    def _send_to_file(self, data: bytes) -> int:
        return os.write(self._fd, data)

    def _send_to_socket(self, data: bytes) -> int:
        assert self._socket is not None
        sent = 0
        try:
            while sent < len(data):
                piece = data[sent : _piece_end(data, sent)]
                taken = self._socket.send(piece, socket.MSG_DONTWAIT)
                sent += taken
                if taken < len(piece):
                    break
        except OSError:
            if not sent:
                raise
        return sent

    def _send_by_pieces(self, data: bytes) -> int:
        sent = 0
        try:
            while sent < len(data) and self._poll.poll(0):
                sent += os.write(self._fd, data[sent : _piece_end(data, sent)])
        except OSError:
            if not sent:
                raise
        return sent


def _piece_end(data: bytes, start: int) -> int:
    """Return where what is written at once ends: behind the last line that there is room for."""
    end = start + _PIPE_BYTES
    if end >= len(data):
        return len(data)
    return data.rfind(b"\n", start, end) + 1 or end


class StreamWriter:
    """
    Writes lines one after another into a sink that ``open_sink`` opens, and opens again.

    What the sink does not take now goes with the next lines; after a failure it is opened
    anew once, and then the lines are given up.
    """

    def __init__(self, open_sink: Callable[[], Sink], lost: LinesLost) -> None:
        self._open_sink = open_sink
        self._lost = lost
        self._sink: Sink | None = None
        self._backlog = b""
        self._ends_line = True
        """Whether what the sink took last was the end of a line."""

    def open(self) -> None:
        """Open the sink now rather than with the first line, so that OSError is heard."""
        self._sink = self._open_sink()

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have the file that is open, if it is one; raises OSError if it cannot be."""
        if isinstance(self._sink, FileSink):
            self._sink.give_to(uid, gid)

    def write(self, lines: bytes) -> None:
        """Write as much as the sink takes."""
        data = self._backlog + lines
        for _attempt in range(2):
            try:
                if self._sink is None:
                    self._sink = self._open_sink()
                sent = self._sink.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._close_sink()
                continue
            if sent:
                self._ends_line = data[sent - 1 : sent] == b"\n"
            self._keep(data[sent:])
            return
        self._give_up(data)

    def reopen(self) -> None:
        """Open the sink anew; if that fails, the old one stays and OSError tells why."""
        fresh = self._open_sink()
        self._close_sink()
        self._sink = fresh

    def close(self) -> "Deferred[None]":
        """Write the backlog if it can be written at once."""
        if self._backlog:
            self.write(b"")
        self._give_up(self._backlog)
        self._close_sink()
        return succeed(None)

    def _keep(self, left: bytes) -> None:
        if len(left) <= BACKLOG_BYTES_MAX:
            self._backlog = left
            return
        kept = left.rfind(b"\n", 0, BACKLOG_BYTES_MAX) + 1
        self._backlog = left[:kept]
        self._lost(left.count(b"\n", kept))

    def _give_up(self, data: bytes) -> None:
        # A leading end belongs to a line that stands there, whole or counted before.
        lines = data.count(b"\n") - data.startswith(b"\n")
        if lines:
            self._lost(lines)
        # What was cut off must not run into the next line.
        self._backlog = b"" if self._ends_line else b"\n"

    def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            # The descriptor is gone even where close reports an old write's failure.
            with suppress(OSError):
                sink.close()


class DatagramWriter:
    """Sends each line as one datagram; what is not taken at once is lost, as datagrams are."""

    def __init__(self, target: UdpTarget | UnixTarget, lost: LinesLost) -> None:
        self._target = target
        self._lost = lost
        self._socket: socket.socket | None = None

    def write(self, lines: bytes) -> None:
        """Send each line; where nobody listens any more, look once for a new listener."""
        lost = 0
        is_fresh = False
        for line in lines.splitlines(keepends=True):
            if self._sent(line):
                continue
            if not is_fresh:
                is_fresh = True
                self._close_socket()
                if self._sent(line):
                    continue
            lost += 1
        if lost:
            self._lost(lost)

    def reopen(self) -> None:
        """Connect anew with the next line."""
        self._close_socket()

    def close(self) -> "Deferred[None]":
        """Nothing waits here to be sent."""
        self._close_socket()
        return succeed(None)

    def _sent(self, line: bytes) -> bool:
        try:
            if self._socket is None:
                self._socket = _connected(self._target)
            self._socket.send(line)
        except OSError:
            return False
        return True

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(target: UdpTarget | UnixTarget) -> socket.socket:
    address: str | tuple[str, int]
    if isinstance(target, UnixTarget):
        family, address = socket.AF_UNIX, target.path
    else:
        host = target.address.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        address = (host, target.address.port)
    # Neither way waits: the host is an IP address, and a datagram is taken or refused.
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made
