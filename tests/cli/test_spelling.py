"""Values of an answer are written as an operator writes them."""

import pytest

from sozutw.cli import spelling
from sozutw.control.client import address_message
from sozutw.control.proto import command_pb2 as pb


@pytest.mark.parametrize(
    "text", ["127.0.0.1:80", "[::1]:80", "[fd00::1:2]:65535", "app.example:80", "unix:/run/a.sock"]
)
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert spelling.address(address_message(text)) == text


def test_an_address_without_an_ip_has_its_port() -> None:
    assert spelling.address(pb.SocketAddress(ip=pb.IpAddress(), port=7)) == "?:7"


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (pb.PREFIX, "", "/*"),
        (pb.PREFIX, "/a", "/a*"),
        (pb.PREFIX, "/a*", "/a*"),
        (pb.REGEX, "/a.*", "~ /a.*"),
        (pb.EQUALS, "/a", "= /a"),
    ],
)
def test_a_path_tells_its_kind(kind: pb.PathRuleKind, value: str, told: str) -> None:
    assert spelling.path(pb.PathRule(kind=kind, value=value)) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (61, "0:01:01"), (90000, "1 day, 1:00:00")],
)
def test_an_age_is_short(seconds: float, told: str) -> None:
    assert spelling.age(seconds) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (1 << 20, "1.0 MiB"),
        (1 << 60, "1024.0 PiB"),
    ],
)
def test_a_size_has_its_unit(count: int, told: str) -> None:
    assert spelling.size(count) == told


def test_the_rest() -> None:
    assert spelling.tags({"b": "2", "a": "1"}.items()) == "a=1, b=2"
    assert (spelling.yes(True), spelling.yes(False)) == ("yes", "no")
    assert (spelling.seconds(60.0), spelling.seconds(0.25)) == ("60 s", "0.25 s")
