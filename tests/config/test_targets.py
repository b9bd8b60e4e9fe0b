import pytest

from sozutw.config.model import InetAddress
from sozutw.config.targets import (
    FileTarget,
    StdoutTarget,
    Target,
    TcpTarget,
    UdpTarget,
    UnixTarget,
    parse_target,
)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("stdout", StdoutTarget()),
        ("file:///var/log/a.log", FileTarget("/var/log/a.log")),
        ("file://a.log", FileTarget("/etc/x/a.log")),
        ("unix:///run/log.sock", UnixTarget("/run/log.sock")),
        ("unix://log.sock", UnixTarget("/etc/x/log.sock")),
        ("udp://127.0.0.1:514", UdpTarget(InetAddress("127.0.0.1", 514))),
        ("udp://[::1]:514", UdpTarget(InetAddress("::1", 514))),
        ("tcp://127.0.0.1:65535", TcpTarget(InetAddress("127.0.0.1", 65535))),
        ("tcp://logs.example:1", TcpTarget(InetAddress("logs.example", 1))),
    ],
)
def test_each_form_is_read(text: str, target: Target) -> None:
    assert parse_target(text, "/etc/x/") == target


def test_a_relative_path_stays_relative_without_a_folder() -> None:
    assert parse_target("file://a.log") == FileTarget("a.log")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is not a target; stdout, file://PATH"),
        ("/var/log/a.log", "is not a target"),
        ("http://a:80", "begins with 'http'; stdout, file://PATH"),
        ("file://", "has no path"),
        ("file://a\0b", "has no path"),
        ("unix://", "has no path"),
        ("unix:///" + "a" * 107, "is too long for a socket; 107 bytes are meant"),
        ("udp://localhost:514", "names a host; an IP address is meant"),
        ("udp://127.0.0.1", "has no port"),
        ("tcp://a:", "has no port"),
        ("tcp://a:0", "has no port"),
        ("tcp://a:65536", "has no port"),
        ("tcp://a:1000000", "has no port"),
        ("tcp://a:٤", "has no port"),
        ("tcp://::1:80", "without brackets"),
        ("tcp://[a]:80", "between its brackets"),
        ("tcp://:80", "has no host"),
        ("tcp://a/b:80", "has no host"),
        ("tcp://a b:80", "has no host"),
        ("tcp://a\n:80", "has no host"),
    ],
)
def test_what_cannot_be_a_target_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_target(text)
    assert reason in str(caught.value)


def test_the_longest_socket_path_is_accepted() -> None:
    path = "/" + "a" * 106
    assert parse_target("unix://" + path) == UnixTarget(path)
