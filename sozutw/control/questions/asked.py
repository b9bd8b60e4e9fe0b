"""A request as a client would send it, made of a URL and what stands beside it."""

from ipaddress import ip_address
from string import punctuation
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from sozutw.config.hostnames import ascii_name
from sozutw.control.proto import command_pb2 as pb
from sozutw.wire.errors import WireError
from sozutw.wire.http1.request import parse_request_head
from sozutw.wire.message import RequestHead

_PORTS = {"http": 80, "https": 443}


class UnaskableError(ValueError):
    """No client could ask so; the text says why."""


class Asked(NamedTuple):
    """What is asked, and whom."""

    head: RequestHead
    is_secure: bool
    host: str
    """Of the URL, in lower case, an IPv6 address without its brackets."""
    port: int
    is_port_told: bool
    """Whether the URL names the port, rather than its scheme."""
    source: str
    """The client's IP address; empty if it is not told."""

    @property
    def is_by_name(self) -> bool:
        """Whether the URL names a host, rather than an address."""
        return not _is_address(self.host)


def asked_of(wish: pb.Explain) -> Asked:
    """Return the request that a client would send, as our own parser reads it."""
    url = wish.url if "://" in wish.url else f"http://{wish.url}"
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        if not _is_address(host):
            host = ascii_name(host)
    except ValueError as error:
        raise UnaskableError(f"{wish.url!r} is no URL: {error}") from None
    if parts.scheme not in _PORTS:
        raise UnaskableError(f"{wish.url!r} is neither of http nor of https")
    if "@" in parts.netloc:
        raise UnaskableError("a user or a password is no part of a request; leave it out")
    if wish.source and not _is_address(wish.source):
        raise UnaskableError(f"{wish.source!r} is no IP address of a client")
    literal = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Asked(
        head=_head(wish, literal if port is None else f"{literal}:{port}", target),
        is_secure=parts.scheme == "https",
        host=host,
        port=_PORTS[parts.scheme] if port is None else port,
        is_port_told=port is not None,
        source=wish.source,
    )


def _head(wish: pb.Explain, authority: str, target: str) -> RequestHead:
    headers = list(wish.headers)
    if any(letter in line for line in (wish.method, *headers) for letter in "\r\n\0"):
        raise UnaskableError("a method or a header goes over the end of its line")
    for header in headers:
        if ":" not in header:
            raise UnaskableError(f"{header!r} is no header; NAME: VALUE is meant")
    if not any(header.partition(":")[0].lower() == "host" for header in headers):
        headers.insert(0, f"Host: {authority}")
    # What a client would not send as it is, it sends escaped.
    line = f"{wish.method} {quote(target, safe=punctuation)} HTTP/1.1"
    text = "\r\n".join([line, *headers, "", ""])
    try:
        head = parse_request_head(text.encode(errors="surrogateescape"))
    except WireError as error:
        raise UnaskableError(f"the request would be refused with {error.status}: {error}") from None
    assert head is not None, "it has its end"
    return head


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
