"""How single values are written on the command line; what is wrong with one says what is meant."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem
from typing_extensions import override

from sozutw.config import addresses, pem
from sozutw.control.client import address_message
from sozutw.control.proto import command_pb2 as pb

_Read = TypeVar("_Read")

_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")

TEXT_BYTES_MAX: Final = 1_000_000
"""More than that goes through no command socket."""


class Value(click.ParamType[Any]):
    """A value that a function reads; its ValueError says what is meant."""

    def __init__(self, metavar: str, read: Callable[[str], Any]) -> None:
        self.name = metavar
        self._read = read

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what was read, or end with what is meant."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)

    @override
    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return how the value is called in help."""
        return self.name


class FileValue(Value):
    """The path of a file, which shells can complete."""

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the path of a file."""
        return [CompletionItem(incomplete, type="file")]


class FileText(FileValue):
    """The text of a file, which goes to the proxy in place of its path."""

    def __init__(self, judge: Callable[[str], object] | None = None) -> None:
        super().__init__("FILE", self._text)
        self._judge = judge

    def _text(self, path: str) -> str:
        try:
            with Path(path).open("rb") as file:
                content = file.read(TEXT_BYTES_MAX + 1)
            text = content.decode("utf-8")
        except OSError as error:
            raise ValueError(f"it cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"byte {error.start} of it is not UTF-8") from error
        if len(content) > TEXT_BYTES_MAX:
            raise ValueError(f"it has more than {TEXT_BYTES_MAX} bytes")
        if self._judge is not None:
            self._judge(text)
        return text


def listen_address(text: str) -> pb.SocketAddress:
    """Read the address of a listener."""
    addresses.parse_socket_address(text)
    return address_message(text)


def backend_address(text: str) -> pb.SocketAddress:
    """Read the address of a backend: an IP address or a host name and a port, or unix:PATH."""
    addresses.parse_backend_address(text, "/")
    return address_message(text)


def pairs(text: str) -> dict[str, str]:
    """Read ``key=value, other=value``."""
    found = {}
    for item in filter(None, map(str.strip, text.split(","))):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ValueError("key=value is meant, and a comma between several")
        found[key.strip()] = value.strip()
    return found


def header_edit(text: str) -> pb.Header:
    """Read ``position=name=value``, of which the value may be empty."""
    position, first, rest = text.partition("=")
    name, second, value = rest.partition("=")
    positions = {"request": pb.REQUEST, "response": pb.RESPONSE, "both": pb.BOTH}
    number = positions.get(position.strip().lower())
    if not first or not second or not name.strip() or number is None:
        raise ValueError("POSITION=NAME=VALUE is meant, with request, response or both first")
    return pb.Header(position=number, key=name.strip(), val=value)


def answer(text: str) -> tuple[str, str]:
    """Read ``CODE=TEXT`` or ``CODE=file://PATH``."""
    code, equals, body = text.partition("=")
    if not equals or not code:
        raise ValueError("CODE=TEXT or CODE=file://PATH is meant")
    if body.startswith("file://"):
        body = FileText()._text(body.removeprefix("file://"))  # noqa: SLF001  # of this module
    return code.strip(), body


def authorized_hash(text: str) -> str:
    """Read ``USER:HASH``."""
    user, colon, digest = text.partition(":")
    if not colon or not user or not _SHA256.fullmatch(digest):
        raise ValueError(
            "USER:HASH is meant, with the hash of `printf %s PASSWORD | sha256sum`, 64 digits"
        )
    return text


def ip(text: str) -> str:
    """Read an IP address."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("an IP address is meant, without a port") from None


def field_line(text: str) -> str:
    """Read ``NAME: VALUE``."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError("NAME: VALUE is meant")
    return f"{name.strip()}: {value.strip()}"


def absolute_path(text: str) -> str:
    """Return a path that means the same to the proxy, whose folder is another."""
    if not text:
        raise ValueError("the path of a file is meant")
    return os.path.join(os.getcwd(), text)  # links and .. are the proxy's to follow


def fingerprint(text: str) -> str:
    """Read a fingerprint: hexadecimal digits, with or without colons."""
    digits = text.replace(":", "").lower()
    try:
        bytes.fromhex(digits)
    except ValueError:
        raise ValueError(
            "hexadecimal digits are meant, as `certificate list` prints them"
        ) from None
    return digits


def certificate_chain(text: str) -> list[str]:
    """Return each certificate of a text of several."""
    return list(_certificates(text))


def _certificates(text: str) -> Iterable[str]:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    for part in text.split(begin)[1:]:
        body, found, _ = part.partition(end)
        if found:
            yield f"{begin}{body}{end}"


_TLS_VERSIONS: Final[Mapping[str, pb.TlsVersion]] = {
    "TLSV1": pb.TLS_V1_0,
    "TLSV10": pb.TLS_V1_0,
    "TLSV11": pb.TLS_V1_1,
    "TLSV12": pb.TLS_V1_2,
    "TLSV13": pb.TLS_V1_3,
}


def tls_versions(text: str) -> list[pb.TlsVersion]:
    """Read versions with commas between them, spelled TLS_V13, TLSv1.3 or the like."""
    found: list[pb.TlsVersion] = []
    for name in words(text):
        version = _TLS_VERSIONS.get(name.upper().replace("_", "").replace(".", ""))
        if version is None:
            raise ValueError("TLSv1, TLS_V11, TLS_V12 or TLS_V13 is meant")
        found.append(version)
    return found


def words(text: str) -> list[str]:
    """Read words with commas between them."""
    return [word for word in map(str.strip, text.split(",")) if word]


def whole_number(least: int = 0, *, bits: int = 32) -> Value:
    """Return the type of numbers of so many bits, whose bounds need no place in a help text."""

    def read(text: str) -> int:
        if not text.isdecimal() or not text.isascii() or not least <= int(text) < 1 << bits:
            raise ValueError(f"a whole number from {least} to {(1 << bits) - 1} is meant")
        return int(text)

    return Value("N", read)


class Named(Value):
    """One of some names, each of which stands for a number; case, ``-`` and ``_`` are alike."""

    def __init__(self, members: Mapping[str, int]) -> None:
        super().__init__("|".join(members), self._number)
        self._members = members

    def _number(self, text: str) -> int:
        plain = text.strip().lower().replace("-", "_")
        for name, number in self._members.items():
            if name.replace("-", "_") == plain:
                return number
        raise ValueError(f"one of {', '.join(self._members)} is meant")

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete a name."""
        found = (name for name in self._members if name.startswith(incomplete.lower()))
        return [CompletionItem(name) for name in found]


def joined(lists: Iterable[Iterable[_Read]]) -> list[_Read]:
    """Return the items of all lists: of an option that was given several times."""
    return [item for items in lists for item in items]


LISTEN_ADDRESS: Final = Value("IP:PORT", listen_address)
BACKEND_ADDRESS: Final = Value("HOST:PORT", backend_address)
PAIRS: Final = Value("KEY=VALUE,…", pairs)
HEADER: Final = Value("POSITION=NAME=VALUE", header_edit)
AUTHORIZED_HASH: Final = Value("USER:HASH", authorized_hash)
ANSWER: Final = Value("CODE=TEXT", answer)
IP: Final = Value("IP", ip)
FIELD_LINE: Final = Value("NAME: VALUE", field_line)
PATH: Final = FileValue("FILE", absolute_path)
FINGERPRINT: Final = Value("HEX", fingerprint)
TLS_VERSIONS: Final = Value("VERSION,…", tls_versions)
WORDS: Final = Value("NAME,…", words)
TEXT: Final = FileText()
CERTIFICATE: Final = FileText(pem.fingerprint_of)
PORT: Final = click.IntRange(1, addresses.PORT_MAX)
NUMBER: Final = whole_number()
