"""
The heads of requests and responses as values, alike for every version of HTTP.

Ordinary end-to-end fields stay as the *lines* in which they came (``b"Accept: */*"``,
already checked), for most of them are only passed on. Fields that decide something are
taken out of the lines and stand under a name of their own.

Attributes that are rarely set are class attributes, so that making a head stores only
what the peer sent (Hot: 0.5 µs a head against 1.4 with all of them stored).
"""

from typing import Final

UNKNOWN_LENGTH: Final = -1
"""A body whose length is not told in advance: chunked, or until the connection closes."""


class FieldBlock:
    """
    The field lines of one head, read once and never changed after.

    Whoever holds one may share it: nothing in it belongs to a connection.
    """

    block: bytes = b""
    """The raw lines as they came, without the last CRLF: what a next head may be compared with."""
    minor: int = 1
    """The minor version under which they were read: 1.0 knows neither Expect nor Upgrade."""
    lines: list[bytes]
    """End-to-end field lines that nothing here cares about, in order and as they came."""
    length: int | None = None
    """Content-Length, if there was one."""
    is_chunked: bool = False
    """Transfer-Encoding was exactly ``chunked``."""
    connection: frozenset[bytes] = frozenset()
    """
    The lower-case options of Connection; the fields that they name are gone from ``lines``.

    An option that names a field which nobody may take away (Host, Cookie…) is not among them.
    """
    keeps_alive: bool = True
    """What Connection and the minor version say about the connection, the framing apart."""
    upgrade: bytes | None = None
    """The value of Upgrade, as it came; None too when Connection does not name it."""


class RequestFields(FieldBlock):
    """The fields of a request."""

    host: bytes = b""
    """The Host field as it came, checked to be ``host[:port]``."""
    host_name: bytes = b""
    """The host of ``host`` alone: lower case, without port; an IPv6 literal keeps its brackets."""
    expects_continue: bool = False
    user_agent: bytes = b""
    """Also in ``lines``; here for the access log."""
    cookies: tuple[bytes, ...] = ()
    """The values of the Cookie fields, which are *not* in ``lines``."""
    forwarded: tuple[bytes, ...] = ()
    x_forwarded_for: tuple[bytes, ...] = ()
    x_forwarded_proto: tuple[bytes, ...] = ()
    x_forwarded_port: tuple[bytes, ...] = ()
    x_forwarded_host: tuple[bytes, ...] = ()
    x_real_ip: tuple[bytes, ...] = ()
    """These, as values in the order they came, are *not* in ``lines`` either."""
    x_forwarded_others: tuple[bytes, ...] = ()
    """Whole lines of the other X-Forwarded fields, *not* in ``lines``."""
    x_request_id: bytes | None = None
    """The first X-Request-Id, not in ``lines``."""


class ResponseFields(FieldBlock):
    """The fields of a response."""


class RequestHead:
    """A request's first line and fields, with all that is ambiguous already refused."""

    __slots__ = ("authority", "fields", "host", "keeps_alive", "method", "minor", "size", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        minor: int,
        authority: bytes,
        host: bytes,
        fields: RequestFields,
        keeps_alive: bool,
        size: int,
    ) -> None:
        self.method = method
        self.target = target
        """Origin form (``/path?query``), or ``*`` for OPTIONS: absolute form is taken apart."""
        self.minor = minor
        """1 for HTTP/1.1 (and what claims to be newer), 0 for HTTP/1.0."""
        self.authority = authority
        """``host[:port]`` for the Host field, from an absolute target if there was one."""
        self.host = host
        """The host alone, lower case, without port; an IPv6 literal keeps its brackets."""
        self.fields = fields
        self.keeps_alive = keeps_alive
        """Whether the client means to send another request on this connection."""
        self.size = size
        """How many bytes of the buffer the head took."""

    @property
    def body_length(self) -> int:
        """The body's length in bytes, 0 without a body, UNKNOWN_LENGTH when it is chunked."""
        fields = self.fields
        return UNKNOWN_LENGTH if fields.is_chunked else fields.length or 0


class ResponseHead:
    """A response's status line and fields; ``body_length`` is settled by the request's method."""

    __slots__ = (
        "body_length",
        "fields",
        "keeps_alive",
        "minor",
        "reason",
        "size",
        "start",
        "status",
    )

    def __init__(
        self,
        status: int,
        reason: bytes,
        minor: int,
        fields: ResponseFields,
        body_length: int,
        keeps_alive: bool,
        size: int,
    ) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.fields = fields
        self.body_length = body_length
        """
        In bytes; 0 for HEAD, 1xx, 204 and 304; UNKNOWN_LENGTH if chunked or until close.

        Look here before ``fields.is_chunked`` and ``fields.length``: an answer to HEAD, or a
        304, keeps what the body would have had.
        """
        self.keeps_alive = keeps_alive
        """Whether the backend lets this connection be used again after the body."""
        self.size = size
        self.start = b""
        """What the relay made of it for clients of HTTP/1.1, for when the head comes again."""
