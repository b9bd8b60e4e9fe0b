"""Tests of ``sozutw.listen.sockets``."""

import os
import select
import socket
from pathlib import Path

import pytest

from sozutw.config.model import InetAddress
from sozutw.listen.sockets import BACKLOG, CannotListenError, adopt, bind, let_in, shut_out


def test_it_listens_and_its_port_is_taken() -> None:
    with bind(InetAddress("127.0.0.1", 0)) as first:
        assert first.gettimeout() == 0
        assert not first.get_inheritable()
        port = first.getsockname()[1]
        with pytest.raises(CannotListenError, match="another program listens there"):
            bind(InetAddress("127.0.0.1", port))
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = first.accept()
    # Ended from this side: the port remembers that for a minute, and can be had all the same.
    served.close()
    client.close()
    bind(InetAddress("127.0.0.1", port)).close()
    assert BACKLOG == 1024


def test_ipv6_takes_ipv6_only() -> None:
    with bind(InetAddress("::", 0)) as six:
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        with bind(InetAddress("0.0.0.0", six.getsockname()[1])):
            pass


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("192.0.2.1", 80, "cannot listen on 192.0.2.1:80: Cannot assign requested address (no i"),
        ("localhost", 80, "cannot listen on localhost:80: an IP address is needed, not a name"),
        ("127.0.0.1", 70000, "cannot listen on 127.0.0.1:70000: not a port"),
    ],
)
def test_what_cannot_be_is_said_clearly(host: str, port: int, text: str) -> None:
    with pytest.raises(CannotListenError) as caught:
        bind(InetAddress(host, port))
    assert str(caught.value).startswith(text)
    assert isinstance(caught.value, OSError)


def test_a_port_in_use_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = InetAddress("127.0.0.1", other.getsockname()[1])
        with pytest.raises(CannotListenError) as caught:
            bind(address)
    assert "another program listens there" in str(caught.value)
    assert caught.value.errno is not None


def test_a_listening_descriptor_is_adopted() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    server.set_inheritable(True)
    name = server.getsockname()
    with adopt(server.detach()) as adopted:
        assert adopted.getsockname() == name
        assert adopted.gettimeout() == 0
        assert not adopted.get_inheritable()


def test_anything_else_is_not_and_stays_open() -> None:
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        with pytest.raises(CannotListenError, match=f"descriptor {descriptor}"):
            adopt(descriptor)
        os.close(descriptor)
    with socket.socket() as idle, pytest.raises(CannotListenError, match="not a listening"):
        adopt(idle.fileno())
    with socket.socket(type=socket.SOCK_DGRAM) as datagram:
        with pytest.raises(CannotListenError):
            adopt(datagram.fileno())
        assert datagram.fileno() >= 0


def is_heard(client: socket.socket) -> bool:
    """Say whether anybody has answered who begins to connect; on loopback it takes no time."""
    return bool(select.select([], [client], [], 0.05)[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_whoever_is_shut_out_hears_nothing_and_who_was_there_before_is_accepted(host: str) -> None:
    with bind(InetAddress(host, 0)) as listening:
        place = listening.getsockname()[:2]
        with (
            socket.create_connection(place) as early,
            listening.dup() as elsewhere,
            socket.socket(listening.family) as late,
        ):
            shut_out(elsewhere)
            late.setblocking(False)
            late.connect_ex(place)
            assert not is_heard(late)
            served, _ = listening.accept()
            with served:
                early.sendall(b"asked")
                assert served.recv(9) == b"asked"
                served.sendall(b"answered")
                assert early.recv(9) == b"answered"
            with pytest.raises(BlockingIOError):
                listening.accept()
            let_in(listening)
            with socket.create_connection(place):
                listening.accept()[0].close()


def test_where_nobody_can_be_shut_out_nothing_is_different(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "sock"))
        unix.listen()
        shut_out(unix)
        let_in(unix)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "sock"))
    closed = bind(InetAddress("127.0.0.1", 0))
    closed.close()
    shut_out(closed)
    let_in(closed)
