"""Sockets that were handed over are found by their place, as often as somebody asks."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.config.model import InetAddress
from sozutw.listen.handed import HandedSockets, place_of, takes_ipv4_too


@pytest.fixture
def made() -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    yield sockets
    for sock in sockets:
        sock.close()


def listening(made: list[socket.socket], host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, 0), family=family)
    made.append(sock)
    return sock


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_socket_is_found_by_its_address_again_and_again(
    made: list[socket.socket], host: str
) -> None:
    sock = listening(made, host)
    address = InetAddress(host, sock.getsockname()[1])
    handed = HandedSockets([sock])
    assert handed.take(InetAddress(host, 1)) is None
    for _ in range(2):
        taken = handed.take(address)
        assert taken is not None
        assert taken.getsockname() == sock.getsockname()
        assert not taken.get_inheritable()
        taken.close()
    assert handed.close_unasked() == []
    handed.close()
    assert sock.fileno() == -1
    assert handed.take(address) is None


def test_a_socket_of_unix_is_found_by_its_path(made: list[socket.socket], tmp_path: Path) -> None:
    path = tmp_path / "s"
    sock = socket.socket(socket.AF_UNIX)
    made.append(sock)
    sock.bind(str(path))
    (tmp_path / "link").symlink_to(tmp_path)
    handed = HandedSockets([sock])
    for name in (path, tmp_path / "link" / "s"):
        taken = handed.take(os.fspath(name))
        assert taken is not None
        taken.close()
    handed.close()


def test_what_nobody_asked_for_is_closed_and_named(made: list[socket.socket]) -> None:
    asked, kept, unasked = (listening(made) for _ in range(3))
    handed = HandedSockets([asked, kept, unasked])
    addresses = [InetAddress(*sock.getsockname()) for sock in (asked, kept, unasked)]
    taken = handed.take(addresses[0])
    assert taken is not None
    taken.close()
    assert handed.close_unasked(kept=[addresses[1]]) == [str(addresses[2])]
    assert unasked.fileno() == -1
    assert asked.fileno() >= 0
    later = handed.take(addresses[1])
    assert later is not None
    later.close()
    handed.close()


def test_of_two_at_one_address_one_is_kept(made: list[socket.socket]) -> None:
    sock = listening(made)
    twin = sock.dup()
    handed = HandedSockets([sock, twin])
    assert twin.fileno() == -1
    assert sock.fileno() >= 0
    handed.close()


def test_every_socket_has_a_place(made: list[socket.socket]) -> None:
    abstract = socket.socket(socket.AF_UNIX)
    made.append(abstract)
    assert place_of(abstract) == "(a socket of Unix without a name)"
    abstract.bind(f"\0sozutw-{os.getpid()}")
    assert place_of(abstract) == f"@sozutw-{os.getpid()}"


def test_a_socket_that_takes_both_families_is_known(made: list[socket.socket]) -> None:
    assert not takes_ipv4_too(listening(made))
    assert not takes_ipv4_too(listening(made, "::1"))
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    made.append(both)
    assert takes_ipv4_too(both)
