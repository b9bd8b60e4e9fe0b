"""
What the proxy says itself: templates read once, and answers composed from them.

A composed answer always has a right Content-Length, so the connection may live on after
it. What a peer sent is escaped for the place where it stands.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from sozutw.relay import templates

_VARIABLES: Final = re.compile(
    "%("
    "REDIRECT_LOCATION|REQUEST_ID|RETRY_AFTER|ROUTE|WWW_AUTHENTICATE|CLUSTER_ID|BACKEND_ID|"
    "MESSAGE|PHASE|SUCCESSFULLY_PARSED|PARTIALLY_PARSED|INVALID|DURATION|CAPACITY"
    ")"
)
_WHOLE_VARIABLE: Final = re.compile("%([A-Z][A-Z_]*)")
_STATUS_LINE: Final = re.compile(r"HTTP/1\.1 ([2-5][0-9]{2})(?: (.*))?")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROLS: Final = bytes([*range(32), 127])
_BODILESS: Final = frozenset({204, 205, 304})
_STATUS_DIGITS: Final = 3
_IMPLICIT_PORTS: Final = {b"http": 80, b"https": 443}
_LOCATION_UNSAFE: Final = re.compile(rb"[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]")


class TemplateError(ValueError):
    """A template that cannot be answered with; the text says why."""


class Answer(NamedTuple):
    """A whole response, ready to be written."""

    data: bytes
    closes: bool
    """Whether it says ``Connection: close``: then the connection must be closed after it."""
    body_bytes: int
    """How much of ``data`` is body: 0 for HEAD."""


def _in_field(value: bytes) -> bytes:
    return value.translate(None, _CONTROLS)


def _in_html(value: bytes) -> bytes:
    text = value.translate(None, _CONTROLS).replace(b"&", b"&amp;")
    text = text.replace(b"<", b"&lt;").replace(b">", b"&gt;")
    text = text.replace(b'"', b"&quot;").replace(b"'", b"&#39;")
    return text.decode("ascii", "backslashreplace").encode("ascii")


def _in_json(value: bytes) -> bytes:
    return json.dumps(value.decode("utf-8", "replace"))[1:-1].encode("ascii")


def _escape_for(content_type: str) -> Callable[[bytes], bytes]:
    """Choose how values stand in such a body; whatever is not plainly else is HTML."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/plain":
        return _in_field
    if kind.endswith(("json", "javascript")):
        return _in_json
    return _in_html


class Template:
    """
    A whole response with places for variables, checked when it is read.

    ``%NAME`` is a variable in the body, or where it is all of a field's value.
    """

    __slots__ = (
        "_escape",
        "_field_names",
        "_lines",
        "_literals",
        "_options",
        "_status_line",
        "_variables",
        "closes",
        "status",
    )

    def __init__(self, status: int, reason: str, lines: list[str], body: str) -> None:
        self.status = status
        self.closes = False
        """Whether the template itself asks to close the connection."""
        self._status_line = f"HTTP/1.1 {status} {reason}".encode()
        self._options: list[bytes] = []
        self._lines: list[tuple[bytes, str]] = []
        """A line and ``""``, or what stands before a variable and the variable."""
        self._field_names: set[bytes] = set()
        self._escape: Callable[[bytes], bytes] = _in_html
        used: list[str] = []
        for line in lines:
            used += self._read_field(line)
        # With one group, split gives literal, name, literal, name, ..., literal.
        pieces = self._read_body(body)
        self._literals = [piece.encode() for piece in pieces[0::2]]
        self._variables = [name.lower() for name in pieces[1::2]]
        used += pieces[1::2]
        for name in templates.ONCE:
            if used.count(name) > 1:
                raise TemplateError(f"%{name} stands in it twice; it may stand there once")
        assert len(self._literals) == len(self._variables) + 1

    @classmethod
    def parse(cls, status: int, text: str) -> "Template":
        """Read a template that stands under this status, or raise TemplateError."""
        head, empty_line, body = _with_crlf(text).partition("\r\n\r\n")
        if not empty_line:
            raise TemplateError("no empty line ends its head")
        first, *lines = head.split("\r\n")
        matched = _STATUS_LINE.fullmatch(first)
        if matched is None or _CONTROL.search(first):
            raise TemplateError(
                f"its first line is {first[:80]!r}; 'HTTP/1.1 {status} reason' is meant"
            )
        if int(matched[1]) != status:
            raise TemplateError(f"its status line says {matched[1]}, but it stands for {status}")
        if status in _BODILESS:
            raise TemplateError(f"a {status} has no body, so it cannot be an answer")
        return cls(status, matched[2] or "", lines, body)

    def compose(
        self,
        must_close: bool,
        is_head: bool,
        minor: int,
        id_line: bytes,
        variables: Mapping[str, bytes],
        hsts_line: bytes = b"",
    ) -> Answer:
        """Fill in the variables (by their names in lower case) and count the body."""
        assert minor in {0, 1}, minor
        assert b"\n" not in id_line, id_line
        lines = [self._status_line]
        for before, name in self._lines:
            if not name:
                lines.append(before)
                continue
            value = _in_field(_value_of(name, variables))
            if value:
                lines.append(before + value)
        closes = must_close or self.closes
        options = list(self._options)
        if closes:
            options.append(b"close")
        elif minor == 0:
            options.append(b"keep-alive")  # An HTTP/1.0 client expects a close unless told.
        if options:
            lines.append(b"Connection: " + b", ".join(options))
        lines += [
            own
            for own in (id_line, hsts_line)
            if own and own.partition(b":")[0].lower() not in self._field_names
        ]
        body = self._body(variables)
        lines.append(b"Content-Length: %d\r\n\r\n" % len(body))
        if is_head:
            body = b""
        return Answer(b"\r\n".join(lines) + body, closes, len(body))

    def _body(self, variables: Mapping[str, bytes]) -> bytes:
        parts = [self._literals[0]]
        for name, literal in zip(self._variables, self._literals[1:], strict=True):
            parts.append(self._escape(_value_of(name, variables)))
            parts.append(literal)
        return b"".join(parts)

    def _read_field(self, line: str) -> list[str]:
        """Keep one field line; the variables in it are returned."""
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise TemplateError(f"{line[:80]!r} is not a field; 'Name: value' is meant")
        key = name.lower().encode()
        if key == b"transfer-encoding":
            raise TemplateError("Transfer-Encoding is refused; the body's length is known")
        if key == b"content-length" and key in self._field_names:
            raise TemplateError("Content-Length stands in it twice")
        self._field_names.add(key)
        if key == b"content-length":
            return []  # Counted anew for each answer.
        if key == b"connection":
            self._read_connection(value)
            return []
        if key == b"content-type":
            self._escape = _escape_for(value)
        variable = _WHOLE_VARIABLE.fullmatch(value)
        if variable is None:
            self._lines.append((f"{name}: {value}".encode(), ""))
            return []
        self._check_variable(variable[1])
        self._lines.append((f"{name}: ".encode(), variable[1].lower()))
        return [variable[1]]

    def _read_connection(self, value: str) -> None:
        options = [option.strip(" \t") for option in value.split(",")]
        for option in options:
            if not _TOKEN.fullmatch(option):
                raise TemplateError(f"Connection holds {option!r}; 'close' is meant")
            if option.lower() == "close":
                self.closes = True
            elif option.lower() != "keep-alive":
                self._options.append(option.encode())

    def _check_variable(self, name: str) -> None:
        offered = templates.offered(self.status) - templates.BODY_ONLY
        if name not in offered:
            names = ", ".join(f"%{known}" for known in sorted(offered))
            raise TemplateError(f"%{name} cannot stand in a field of a {self.status}; {names} can")

    def _read_body(self, body: str) -> list[str]:
        offered = templates.offered(self.status)
        pieces = [""]
        end = 0
        for matched in _VARIABLES.finditer(body):
            name = matched[1]
            if name not in offered:
                continue  # Sōzu too leaves what it does not know as it stands.
            if name in templates.FIELD_ONLY:
                raise TemplateError(f"%{name} cannot stand in the body; it is a field's value")
            pieces[-1] += body[end : matched.start()]
            pieces += [name, ""]
            end = matched.end()
        pieces[-1] += body[end:]
        return pieces


def _with_crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _value_of(name: str, variables: Mapping[str, bytes]) -> bytes:
    value = variables.get(name, b"")
    if name == "retry_after" and value == b"0":
        return b""  # "Try again after 0 seconds" invites a flood.
    if not value and name.upper() in templates.NULL_WHEN_ABSENT:
        return b"null"
    return value


_BUILT_IN: Final = {
    status: Template.parse(status, text) for status, text in templates.BUILT_IN.items()
}


class Answers:
    """
    The templates that hold for one listener, or for one cluster on it. Never changed.

    A cluster's own come first, then the listener's, then those of ``relay.templates``.
    """

    __slots__ = ("_templates",)

    def __init__(
        self, listener: Mapping[str, str], cluster: Mapping[str, str] | None = None
    ) -> None:
        self._templates = {**_BUILT_IN, **_parsed(listener), **_parsed(cluster or {})}

    def with_cluster(self, cluster: Mapping[str, str]) -> "Answers":
        """Put a cluster's templates before these; the same object if it has none."""
        if not cluster:
            return self
        answers = Answers({})
        answers._templates = {**self._templates, **_parsed(cluster)}
        return answers

    def compose(
        self,
        status: int,
        must_close: bool,
        is_head: bool,
        minor: int,
        id_line: bytes,
        hsts_line: bytes = b"",
        **variables: bytes,
    ) -> Answer:
        """
        Make the answer for this status; it never fails, whatever the variables hold.

        ``id_line`` is the correlation field (``Sozu-Id: ...``) without its line end; it and
        ``hsts_line`` are left out when empty, or when the template has a field of that name.
        Variables have the templates' names in lower case. A field whose variable is empty is
        left out.
        """
        template = self._templates.get(status)
        if template is None:
            template = Template.parse(status, templates.page(status))
        return template.compose(must_close, is_head, minor, id_line, variables, hsts_line)


def _parsed(texts: Mapping[str, str]) -> dict[int, Template]:
    found: dict[int, Template] = {}
    for key, text in texts.items():
        if len(key) != _STATUS_DIGITS or not (key.isascii() and key.isdigit()):
            raise TemplateError(f"answer {key!r}: a status such as '404' is meant")
        try:
            found[int(key)] = Template.parse(int(key), text)
        except TemplateError as error:
            raise TemplateError(f"answer {key}: {error}") from None
    return found


def location(scheme: bytes, host: bytes, port: int | None, target: bytes) -> bytes:
    """
    Make the absolute URI of a redirect; the scheme's own port is left out.

    ``host`` has no port, and an IPv6 literal its brackets. ``target`` is the path with its
    query as the client sent it; bytes that no URI has come out percent-encoded.
    """
    assert scheme in _IMPLICIT_PORTS, scheme
    assert host, "a redirect needs a host"
    suffix = b"" if port in {None, _IMPLICIT_PORTS[scheme]} else b":%d" % (port or 0)
    path = target if target.startswith(b"/") else b"/"  # OPTIONS * has no path to go to.
    uri = scheme + b"://" + host + suffix + path
    return _LOCATION_UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], uri)
