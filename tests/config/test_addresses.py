"""Addresses as an operator writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.addresses import (
    folder_of,
    parse_backend_address,
    parse_listen_address,
    parse_network,
    parse_socket_address,
    path_in,
)
from sozutw.config.model import InetAddress, UnixAddress


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:8080", InetAddress("0.0.0.0", 8080)),
        ("[::1]:443", InetAddress("::1", 443)),
        ("[0:0::0001]:443", InetAddress("::1", 443)),
    ],
)
def test_a_socket_address_is_an_ip_address_and_a_port(text: str, address: InetAddress) -> None:
    assert parse_socket_address(text) == address
    assert parse_backend_address(text, "") == address


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("8080", "a host and a port are meant"),
        (":8080", "a host and a port are meant"),
        ("127.0.0.1:", "a host and a port are meant"),
        ("127.0.0.1:http", "a host and a port are meant"),
        ("127.0.0.1:+80", "a host and a port are meant"),
        ("127.0.0.1:0", "a port from 1 to 65535"),
        ("127.0.0.1:65536", "a port from 1 to 65535"),
        ("::1:8080", "as in [::1]:8080"),
        ("[127.0.0.1]:80", "brackets are for IPv6"),
        ("localhost:80", "'localhost' is no IP address"),
        ("[::g]:80", "'::g' is no IP address"),
    ],
)
def test_a_bad_socket_address_is_refused_with_what_is_meant(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_socket_address(text)
    assert meant in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:8000", InetAddress("localhost", 8000)),
        ("My_App:8000", InetAddress("my_app", 8000)),
        ("bücher.example:80", InetAddress("xn--bcher-kva.example", 80)),
        ("unix:/run/app.sock", UnixAddress("/run/app.sock")),
        ("unix:///run/app.sock", UnixAddress("/run/app.sock")),
        ("unix:app.sock", UnixAddress("/etc/sozutw/app.sock")),
    ],
)
def test_a_backend_may_be_a_name_or_a_socket_file(text: str, address: object) -> None:
    assert parse_backend_address(text, "/etc/sozutw/") == address


@pytest.mark.parametrize("text", ["unix:", "unix:a\0b", "1.2.3:80", "[::g]:80", "a b:80", "a"])
def test_a_bad_backend_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_backend_address(text, "")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", InetAddress("0.0.0.0", 8080)),
        (":8080", InetAddress("0.0.0.0", 8080)),
        ("127.0.0.1:8080", InetAddress("127.0.0.1", 8080)),
        ("[::]:8080", InetAddress("::", 8080)),
    ],
)
def test_a_port_alone_listens_everywhere(text: str, address: InetAddress) -> None:
    assert parse_listen_address(text) == address


def test_a_network_is_written_with_its_prefix() -> None:
    assert str(parse_network("10.0.0.0/8")) == "10.0.0.0/8"
    assert str(parse_network("::1")) == "::1/128"
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/8 is meant"):
        parse_network("10.1.2.3/8")
    with pytest.raises(ValueError, match="a network such as"):
        parse_network("ten/8")


def test_relative_paths_are_relative_to_the_folder_of_the_file() -> None:
    assert folder_of("/etc/sozutw/my.toml") == "/etc/sozutw/"
    assert folder_of("my.toml") == ""
    assert path_in("/etc/sozutw/", "./404.http") == "/etc/sozutw/404.http"
    assert path_in("/etc/sozutw/", "/404.http") == "/404.http"
    assert path_in("", "404.http") == "404.http"


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_what_an_address_spells_is_what_it_reads(ip: object, port: int) -> None:
    address = InetAddress(str(ip), port)
    assert parse_socket_address(str(address)) == address
