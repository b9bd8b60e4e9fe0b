"""Addresses of messages, those among them that Sōzu has no number for."""

import pytest
from hypothesis import given

from sozutw.config.model import BackendAddress, InetAddress
from sozutw.control.addresses import address_message, address_of, backend_address_of
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.messages import backend, here, http_listener, refusal
from tests.fakes.requests import backend_addresses, inet_addresses


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (http_listener(address=here(0)), "address has port 0; a port from 1 to 65535 is meant"),
        (http_listener(address=here(65_536)), "address has port 65536"),
        (
            http_listener(address=pb.SocketAddress(ip=pb.IpAddress(), port=80)),
            "address has no IP address; v4 or v6 is meant in its ip",
        ),
        (
            http_listener(address=pb.SocketAddress(ip=pb.IpAddress(), port=0, other="a.b:80")),
            'address is "a.b:80"; ',
        ),
        (http_listener(public_address=here(0)), "public_address has port 0"),
        (
            backend(address=pb.SocketAddress(ip=pb.IpAddress(), port=0, other="unix:")),
            'address is "unix:"; unix: and the path of a socket is meant',
        ),
        (backend(address=here(70_000)), "address has port 70000"),
    ],
)
def test_an_address_that_is_none_is_refused(message: pb.Request, text: str) -> None:
    told = refusal(message)
    assert told.startswith(text), told


@given(backend_addresses())
def test_an_address_comes_back(address: BackendAddress) -> None:
    message = pb.SocketAddress.FromString(address_message(address).SerializeToString())
    assert backend_address_of(message) == address


@given(inet_addresses())
def test_an_address_of_a_listener_comes_back(address: InetAddress) -> None:
    assert address_of(address_message(address)) == address


def test_addresses_are_the_numbers_of_the_protocol_page() -> None:
    here = address_message(InetAddress("127.0.0.1", 8080))
    assert here.SerializeToString() == bytes.fromhex("0a 05 0d 01 00 00 7f 10 90 3f")
    there = address_message(InetAddress("::1", 8080))
    assert there.SerializeToString() == bytes.fromhex("0a 06 12 04 08 01 10 00 10 90 3f")
