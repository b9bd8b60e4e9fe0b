"""What is written on a command line is read, or told with what is meant."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from sozutw.cli import values
from sozutw.control.proto import command_pb2 as pb


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.pairs, "a=1, b = 2,", {"a": "1", "b": "2"}),
        (values.pairs, "", {}),
        (values.header_edit, "Request=A=", pb.Header(position=pb.REQUEST, key="A", val="")),
        (values.answer, "503=a=b", ("503", "a=b")),
        (values.ip, "0::1", "::1"),
        (values.field_line, "a:b:c", "a: b:c"),
        (values.fingerprint, "AA:bb", "aabb"),
        (values.whole_number(1, bits=64)._read, str(2**64 - 1), 2**64 - 1),
        (values.words, " a,,b ", ["a", "b"]),
        (values.tls_versions, "TLSv1,TLS_V11,tls_v1_2,TLSv1.3", [2, 3, 4, 5]),
        (values.authorized_hash, "a:" + "0" * 64, "a:" + "0" * 64),
        (values.certificate_chain, "no certificate", []),
        (values.certificate_chain, "-----BEGIN CERTIFICATE-----\ntorn", []),
    ],
)
def test_what_is_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.pairs, "a"),
        (values.pairs, "=b"),
        (values.whole_number(1)._read, "0"),
        (values.whole_number()._read, str(2**32)),
        (values.whole_number()._read, "-1"),
        (values.whole_number()._read, "\u0663"),
        (values.whole_number()._read, "1_0"),
        (values.header_edit, "request=A"),
        (values.header_edit, "request==x"),
        (values.answer, "=x"),
        (values.ip, "127.0.0.1:80"),
        (values.field_line, "a"),
        (values.fingerprint, "a"),
        (values.tls_versions, "TLS_V14"),
        (values.absolute_path, ""),
        (values.authorized_hash, "a:" + "g" * 64),
        (values.listen_address, "localhost:80"),
        (values.backend_address, "localhost"),
    ],
)
def test_what_is_not(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"meant|hexadecimal"):
        read(text)


def test_a_file_that_no_socket_could_carry_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (values.TEXT_BYTES_MAX + 1))
    with pytest.raises(click.BadParameter, match="more than"):
        values.TEXT.convert(str(tmp_path / "large"), None, None)


def test_what_was_read_already_is_left_as_it_is() -> None:
    assert values.PAIRS.convert({"a": "1"}, None, None) == {"a": "1"}


def test_names_and_files_are_completed() -> None:
    ctx = click.Context(click.Command("x"))
    param = click.Option(["--x"])
    named = values.Named({"pre": 0, "post": 1, "tree": 2})
    assert [item.value for item in named.shell_complete(ctx, param, "P")] == ["pre", "post"]
    (item,) = values.TEXT.shell_complete(ctx, param, "/etc/x")
    assert (item.type, item.value) == ("file", "/etc/x")
    (item,) = values.PATH.shell_complete(ctx, param, "/etc/x")
    assert item.type == "file"
    assert values.IP.shell_complete(ctx, param, "") == []
