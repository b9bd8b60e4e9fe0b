"""What LISTEN_FDS and its like tell is adopted, and never believed blindly."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from twisted.logger import LogEvent, capturedLogs, formatEvent

from sozutw.config.model import InetAddress
from sozutw.listen.handed import HandedSockets
from sozutw.process.system.activation import take_handed_sockets

FIRST = 700
"""Where the test puts its descriptors: 3 is in use in its own process."""


class Parent:
    """Puts sockets where a child looks for them."""

    def __init__(self) -> None:
        self.count = 0

    def hand(self, descriptor: int) -> None:
        os.dup2(descriptor, FIRST + self.count)
        self.count += 1

    def environment(self, names: str = "", pid: int | None = None) -> dict[str, str]:
        return {
            "LISTEN_FDS": str(self.count),
            "LISTEN_PID": str(os.getpid() if pid is None else pid),
            "LISTEN_FDNAMES": names,
            "HOME": "/",
        }


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def take(environment: dict[str, str]) -> tuple[HandedSockets, list[str]]:
    with capturedLogs() as events:
        handed = take_handed_sockets(environment, FIRST)
    return handed, [_text(event) for event in events]


def _text(event: LogEvent) -> str:
    return f"{event['log_level'].name}: {formatEvent(event)}"


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_sockets_are_adopted_and_the_variables_removed(stack: ExitStack) -> None:
    parent = Parent()
    servers = [
        stack.enter_context(socket.create_server(("127.0.0.1", 0))),
        stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6)),
    ]
    for server in servers:
        parent.hand(server.fileno())
    environment = parent.environment("web")
    handed, told = take(environment)
    assert environment == {"HOME": "/"}
    places = [InetAddress(*server.getsockname()[:2]) for server in servers]
    assert told == [
        f"info: {places[0]} was handed over (web)",
        f"info: {places[1]} was handed over (unnamed)",
    ]
    for place in places:
        sock = handed.take(place)
        assert sock is not None
        assert not sock.getblocking()
        assert not sock.get_inheritable()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sock.close()
    assert not os.get_inheritable(FIRST)
    handed.close()


@pytest.mark.parametrize("pid", [1, 0])
def test_what_is_meant_for_another_process_is_left_alone(stack: ExitStack, pid: int) -> None:
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    parent = Parent()
    parent.hand(server.fileno())
    environment = parent.environment(pid=pid)
    handed, told = take(environment)
    assert environment == {"HOME": "/"}
    assert told == []
    assert handed.take(InetAddress(*server.getsockname())) is None
    assert is_open(FIRST)
    os.close(FIRST)


def test_what_does_not_listen_is_closed_with_a_warning(stack: ExitStack) -> None:
    parent = Parent()
    one, _other = (stack.enter_context(s) for s in socket.socketpair())
    datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with open("/dev/null", "rb") as null:
        for descriptor in (one.fileno(), datagrams.fileno(), null.fileno()):
            parent.hand(descriptor)
    parent.count += 1  # One that is none at all.
    _handed, told = take(parent.environment("a:b:c:d"))
    assert len(told) == 4
    assert all(text.startswith("warn: a socket that was handed over") for text in told)
    assert "(b): " in told[1]
    assert not any(is_open(FIRST + n) for n in range(4))


def test_a_socket_for_both_families_is_warned_of(stack: ExitStack) -> None:
    parent = Parent()
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    parent.hand(stack.enter_context(both).fileno())
    handed, told = take(parent.environment("web"))
    assert "BindIPv6Only=ipv6-only is meant" in told[0]
    handed.close()


@pytest.mark.parametrize("count", ["", "-1", "x", "99999"])
def test_a_count_that_is_none_is_no_count(count: str) -> None:
    environment = Parent().environment() | {"LISTEN_FDS": count}
    handed, told = take(environment)
    assert handed.close_unasked() == []
    assert len(told) == (1 if count else 0)
