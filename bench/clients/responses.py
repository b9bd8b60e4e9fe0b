"""The little of HTTP/1.1 that the clients of the bench read: a status and a Content-Length."""

import re
import socket

from bench.certificate import client_context

HEAD_BYTES_MAX = 65536
CLIENT_SECONDS_MAX = 30.0

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class WrongAnswerError(Exception):
    """The answer is not the one that every peer has to give."""


def request(method: str, path: str, host: str, length: int | None = None) -> bytes:
    """Return a head with three fields, or four when there is a body."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    if length is not None:
        head += f"Content-Length: {length}\r\n"
    return f"{head}\r\n".encode()


def head_and_body_sizes(data: bytes | bytearray) -> tuple[int, int] | None:
    """Return how long the head and the body of a 200 are, or None until the head is whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > HEAD_BYTES_MAX:
            raise WrongAnswerError("a head without an end")
        return None
    status = _STATUS.match(data)
    length = _LENGTH.search(data, 0, end + 2)
    if status is None or status.group(1) != b"200" or length is None:
        raise WrongAnswerError(bytes(data[:200]).decode("latin-1"))
    return end + 4, int(length.group(1))


def connect(port: int) -> socket.socket:
    """Return a connection on which nothing waits longer than a client's patience."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=CLIENT_SECONDS_MAX)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Way:
    """How clients reach a peer: plainly or, with its certificate, over TLS 1.3."""

    def __init__(self, port: int, host: str, certificate: str = "") -> None:
        self._port = port
        self._host = host
        # One for all connections, as a real client has it: its memory is not what is measured.
        self._context = client_context(certificate) if certificate else None

    @property
    def is_tls(self) -> bool:
        """Whether what arrives is read by a library, and not by the kernel alone."""
        return self._context is not None

    def connect(self) -> socket.socket:
        """Return a connection that is ready for requests; over TLS none resumes another."""
        connection = connect(self._port)
        if self._context is None:
            return connection
        return self._context.wrap_socket(connection, server_hostname=self._host)


def read_small(connection: socket.socket) -> int:
    """Read one small response whole, and return the size of its body."""
    data = b""
    while (sizes := head_and_body_sizes(data)) is None or len(data) < sum(sizes):
        more = connection.recv(HEAD_BYTES_MAX)
        if not more:
            raise WrongAnswerError("closed before the answer was whole")
        data += more
    if len(data) != sum(sizes):
        raise WrongAnswerError("more bytes than the answer has")
    return sizes[1]
