r"""
One record for each exchange and tunnel, and how a batch of records becomes text.

Whatever a peer sent stays inside its place of its line: control bytes, DEL, 8-bit bytes
and backslashes come out as ``\xNN``, and each value is cut at a length of its own.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sozutw.wire.tls import TlsFacts

METHOD_BYTES_MAX: Final = 32
AUTHORITY_BYTES_MAX: Final = 256
PATH_BYTES_MAX: Final = 2048
VALUE_BYTES_MAX: Final = 512
"""What is kept of a user agent, a message, a reason, an id or a tag."""

_NS_PER_SECOND: Final = 1_000_000_000
_SECONDS_FROM_US: Final = 10_000_000
_MS_FROM_US: Final = 10_000
_US_FROM_US: Final = 10

_UNSAFE: Final = re.compile(rb"[^!-\[\]-~]")
"""Whatever ``_IN_WORD`` replaces."""
_IN_MESSAGE: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), ord("\\"), *range(0x7F, 0x100))
}
_IN_WORD: Final = {**_IN_MESSAGE, ord(" "): "\\x20"}
_BRACES: Final = {ord("["): "{", ord("]"): "}"}
_IN_TAG: Final = {**_IN_MESSAGE, **_BRACES}
_IN_USER_AGENT: Final = {**_IN_TAG, ord(" "): "_"}


def _escaped(value: bytes, bytes_max: int, escapes: Mapping[int, str]) -> str:
    text = value[:bytes_max].decode("latin-1").translate(escapes)
    assert text.isascii()
    assert text.isprintable() or not text
    return text if len(value) <= bytes_max else text + "..."


class Tags:
    """What an operator calls the requests of one rule; made once with the rule."""

    __slots__ = ("mapping", "text")

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self.mapping = MappingProxyType(dict(mapping))
        pairs = ", ".join(f"{key}={value}" for key, value in mapping.items())
        self.text = _escaped(pairs.encode(), VALUE_BYTES_MAX, _IN_TAG)
        """As it stands in a line."""
        assert "\n" not in self.text
        assert "]" not in self.text


NO_TAGS: Final = Tags({})


class AccessRecord(NamedTuple):
    """
    What is told of one exchange or tunnel; an empty text, 0 as a round trip or status: unknown.

    Hot: the data path makes a plain tuple of these (an AccessRow), 0.3 µs less, which
    ``AccessRecord._make`` names again.
    """

    time_ns: int
    """Wall clock at the end, in nanoseconds since 1970."""
    session_id: bytes
    request_id: bytes
    cluster_id: str
    backend_id: str
    client_address: str
    backend_address: str
    request_us: int
    """Microseconds from the first byte of the request to the last of its response."""
    service_us: int
    """The part of it that was spent here."""
    response_us: int | None
    """Microseconds until the backend's response began; None without a response."""
    client_rtt_us: int
    backend_rtt_us: int
    bytes_in: int
    bytes_out: int
    tags: Tags
    user_agent: bytes
    protocol: str
    """``HTTP``, ``WS`` or ``TCP``."""
    method: bytes
    authority: bytes
    path: bytes
    status: int
    reason: bytes
    message: str
    is_error: bool
    x_request_id: bytes
    xff_chain: bytes
    tls: TlsFacts | None = None
    """None on a plain connection."""


AccessRow = tuple[Any, ...]
"""The values of an AccessRecord in their order; an AccessRecord is one too."""


def render_ascii(
    records: Iterable[AccessRow], pid: int, tag: str, *, is_colored: bool = False
) -> bytes:
    """
    Write Sōzu's lines, one a record, each with its line end.

    Hot: 4 µs a record at most; tests/perf does not see it, since it runs between requests.
    """
    assert pid > 0, pid
    informed, failed = (
        ("\x1b[32mINFO-ACCESS\x1b[0m", "\x1b[31mERROR-ACCESS\x1b[0m")
        if is_colored
        else ("INFO-ACCESS", "ERROR-ACCESS")
    )
    label = _word(tag.encode())
    begin_informed = f" {pid} {informed} {label}\t[".encode()
    begin_failed = f" {pid} {failed} {label}\t[".encode()
    lines: list[bytes] = []
    has_unsafe = _UNSAFE.search
    known = _known.get
    usual = _USUAL_DURATIONS
    tabled = len(usual)
    second = b""
    clock = b""
    for (
        time_ns,
        session_id,
        request_id,
        cluster_id,
        backend_id,
        client_address,
        backend_address,
        request_us,
        service_us,
        response_us,
        client_rtt_us,
        backend_rtt_us,
        bytes_in,
        bytes_out,
        tags,
        user_agent,
        protocol,
        method,
        authority,
        path,
        status,
        _reason,
        message,
        is_error,
        _x_request_id,
        _xff_chain,
        _tls,
    ) in records:
        stamp = b"%010d" % time_ns
        if stamp[:-9] != second:
            second = stamp[:-9]
            clock = _clock(int(second)).encode()
        if has_unsafe(path) or not 0 < len(path) <= PATH_BYTES_MAX:
            place = (_escaped(path, PATH_BYTES_MAX, _IN_WORD) or "-").encode()
        else:
            place = path
        # Operators name few clusters and clients are much alike: most of a line is known.
        asked = known((protocol, authority, method, tags, user_agent))
        if asked is None:
            asked = _asked(protocol, authority, method, tags, user_agent)
        served = known((cluster_id, backend_id, backend_address))
        if served is None:
            served = _served(cluster_id, backend_id, backend_address)
        response = b"-"
        if response_us is not None:
            response = usual[response_us] if 0 <= response_us < tabled else _duration(response_us)
        lines.append(
            b"%b.%bZ %b%b%b %b %b] %b %b %b/%b/%b/%b/%b %d %d [%b] None %b%b%b\n"
            % (
                clock,
                stamp[-9:-3],
                stamp,
                begin_failed if is_error else begin_informed,
                session_id or b"-",
                request_id or b"-",
                served[0],
                client_address.encode() or b"-",
                served[1],
                usual[request_us] if 0 <= request_us < tabled else _duration(request_us),
                usual[service_us] if 0 <= service_us < tabled else _duration(service_us),
                response,
                _round_trip(client_rtt_us) if client_rtt_us else b"-",
                _round_trip(backend_rtt_us) if backend_rtt_us else b"-",
                bytes_in,
                bytes_out,
                asked[0],
                asked[1],
                b""
                if protocol == "TCP"
                else b"%b %b" % (place, b"%d" % status if status else b"-"),
                _message(message) if message else b"",
            )
        )
    return b"".join(lines)


def render_json(records: Iterable[AccessRow], pid: int, tag: str) -> bytes:
    """Write one JSON object a line; what is unknown is null, durations are microseconds."""
    assert pid > 0, pid
    lines: list[str] = []
    for record in map(AccessRecord._make, records):
        told = {
            "time": utc_text(record.time_ns),
            "time_ns": record.time_ns,
            "pid": pid,
            "tag": tag,
            "level": "error" if record.is_error else "info",
            "session_id": _text(record.session_id),
            "request_id": _text(record.request_id),
            "cluster_id": record.cluster_id or None,
            "backend_id": record.backend_id or None,
            "client_address": record.client_address or None,
            "backend_address": record.backend_address or None,
            "request_time_us": record.request_us,
            "service_time_us": record.service_us,
            "response_time_us": record.response_us,
            "client_rtt_us": record.client_rtt_us or None,
            "backend_rtt_us": record.backend_rtt_us or None,
            "bytes_in": record.bytes_in,
            "bytes_out": record.bytes_out,
            "tags": dict(record.tags.mapping),
            "user_agent": _text(record.user_agent),
            "protocol": record.protocol,
            "method": _text(record.method, METHOD_BYTES_MAX),
            "authority": _text(record.authority, AUTHORITY_BYTES_MAX),
            "path": _text(record.path, PATH_BYTES_MAX),
            "status": record.status or None,
            "reason": _text(record.reason),
            "message": record.message[:VALUE_BYTES_MAX] or None,
            "x_request_id": _text(record.x_request_id),
            "xff_chain": _text(record.xff_chain),
        }
        if record.tls is not None:
            told |= _tls_told(record.tls)
        # ASCII alone: no control character, no bidirectional mark, no line separator.
        line = json.dumps(told, ensure_ascii=True, separators=(",", ":"))
        assert "\n" not in line
        lines.append(line + "\n")
    return "".join(lines).encode("ascii")


def _tls_told(tls: TlsFacts) -> dict[str, Any]:
    told: dict[str, Any] = {
        "tls_version": tls.version,
        "tls_cipher": tls.cipher,
        "tls_sni": tls.sni[:VALUE_BYTES_MAX] or None,
        "tls_alpn": tls.alpn or None,
        "tls_resumed": tls.is_resumed,
    }
    if tls.client is not None:
        told["tls_client_subject"] = tls.client.subject[:VALUE_BYTES_MAX]
        told["tls_client_fingerprint"] = tls.client.fingerprint
    return told


def _text(value: bytes, bytes_max: int = VALUE_BYTES_MAX) -> str | None:
    return value[:bytes_max].decode("utf-8", "backslashreplace") if value else None


def utc_text(time_ns: int) -> str:
    """Write a wall clock's nanoseconds as a date and time with microseconds."""
    return f"{_clock(time_ns // _NS_PER_SECOND)}.{time_ns % _NS_PER_SECOND // 1000:06d}Z"


def _clock(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


# These see the same few values again and again. What is kept is bounded twice: by the
# number of values, and since callers cut what a peer sent.


@lru_cache(maxsize=1024)
def _word(value: bytes) -> str:
    return _escaped(value, VALUE_BYTES_MAX, _IN_WORD) or "-"


@lru_cache(maxsize=4096)
def _name(value: str) -> str:
    return _escaped(value.encode(), VALUE_BYTES_MAX, {**_IN_WORD, **_BRACES}) or "-"


@lru_cache(maxsize=1024)
def _labels(tags: str, user_agent: bytes) -> str:
    if not user_agent:
        return tags or "-"
    agent = f"user-agent={_escaped(user_agent, VALUE_BYTES_MAX, _IN_USER_AGENT)}"
    return f"{tags}, {agent}" if tags else agent


def _duration(us: int) -> bytes:
    if us >= _SECONDS_FROM_US:
        return b"%ds" % (us // 1_000_000)
    if us >= _MS_FROM_US:
        return b"%dms" % (us // 1000)
    if us >= _US_FROM_US:
        return f"{us}μs".encode()
    return b"%dns" % (max(us, 0) * 1000)


@lru_cache(maxsize=256)
def _message(text: str) -> bytes:
    text = _escaped(text.encode("utf-8", "replace"), VALUE_BYTES_MAX, _IN_MESSAGE)
    return f" | {text}".encode()


_USUAL_DURATIONS: Final = [_duration(us) for us in range(_MS_FROM_US)]
_round_trip: Final = lru_cache(maxsize=4096)(_duration)
"""Measured once a second a connection, and written with each line of it."""

_known: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
_KNOWN_MAX: Final = 2048


def _asked(
    protocol: str, authority: bytes, method: bytes, tags: Tags, user_agent: bytes
) -> tuple[bytes, bytes]:
    """Return what stands in the brackets, and protocol, authority and method behind them."""
    labels = _labels(tags.text, user_agent[:VALUE_BYTES_MAX]).encode()
    host = _word(authority[:AUTHORITY_BYTES_MAX])
    begin = f"{protocol} {host} {_word(method[:METHOD_BYTES_MAX])} "
    texts = labels, b"TCP -" if protocol == "TCP" else begin.encode()
    key = (protocol, authority, method, tags, user_agent)
    return _remember(key, texts) if len(user_agent) <= VALUE_BYTES_MAX else texts


def _served(cluster_id: str, backend_id: str, backend_address: str) -> tuple[bytes, bytes]:
    """Return cluster and backend as they stand in the first brackets, and the address behind."""
    texts = (
        f"{_name(cluster_id)} {_name(backend_id)}".encode(),
        _name(backend_address).encode(),
    )
    return _remember((cluster_id, backend_id, backend_address), texts)


def _remember(key: tuple[object, ...], texts: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    _known[key] = texts
    return texts
