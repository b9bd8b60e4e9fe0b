"""
What is no handshake, or means harm by one: refused, counted, never stuck and never a traceback.

Leaving the stage demands that descriptors and gauges are back where they were, and that the
process has written no traceback.
"""

import ctypes
import ctypes.util
import os
import select
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from tests.e2e.harness import Peer, connect, wait_until
from tests.e2e.stage import SECONDS_MAX, get
from tests.e2e.tls import TlsStage, shown_by, trusting

HANDSHAKE, ALERT = 22, 21
PROTOCOL_VERSION, UNRECOGNIZED_NAME = 70, 112
SERVER_HELLO = 2


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsStage]:
    with TlsStage(tmp_path_factory.mktemp("hostile")) as stage:
        yield stage


@pytest.fixture
def stage(proxy: TlsStage) -> Iterator[TlsStage]:
    yield proxy
    proxy.clear()
    # Whatever was done to it, it serves.
    assert proxy.ask_status(proxy.tls_client()) == 200
    proxy.clear()


# A ClientHello by hand (RFC 8446, 4.1.2).


def sized(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">H", kind) + sized(data)


def hello(
    server_name: bytes | None = b"localhost",
    versions: tuple[int, ...] = (0x0304, 0x0303),
    legacy: int = 0x0303,
    more: bytes = b"",
) -> bytes:
    """Return the handshake message."""
    ciphers = struct.pack(">4H", 0x1301, 0x1302, 0xC02B, 0xC02F)
    extensions = b""
    if server_name is not None:
        extensions += extension(0, sized(b"\0" + sized(server_name)))
    extensions += extension(10, sized(struct.pack(">2H", 29, 23)))
    extensions += extension(11, sized(b"\0", 1))
    extensions += extension(13, sized(struct.pack(">4H", 0x0403, 0x0804, 0x0401, 0x0201)))
    if versions:
        extensions += extension(43, sized(struct.pack(f">{len(versions)}H", *versions), 1))
        extensions += extension(51, sized(struct.pack(">H", 29) + sized(os.urandom(32))))
    extensions += more
    body = struct.pack(">H", legacy) + os.urandom(32) + sized(os.urandom(32), 1)
    body += sized(ciphers) + b"\1\0" + sized(extensions)
    return b"\1" + sized(body, 3)


def record(data: bytes, kind: int = HANDSHAKE, version: int = 0x0301) -> bytes:
    return struct.pack(">BH", kind, version) + sized(data)


def raw_client(stage: TlsStage) -> Peer:
    client = connect(stage.tls_port)
    stage.clients.append(client)
    return client


def first_record(client: Peer) -> tuple[int, bytes]:
    """Return the kind and the content of the first record that comes back."""
    head = client.receive_exactly(5, SECONDS_MAX)
    return head[0], client.receive_exactly(int.from_bytes(head[3:], "big"), SECONDS_MAX)


def expect_alert(client: Peer, description: int | None = None) -> None:
    kind, content = first_record(client)
    assert kind == ALERT, (kind, content)
    assert content[0] == 2, "a fatal one"
    if description is not None:
        assert content[1] == description
    client.receive_rest(SECONDS_MAX)


def expect_hello(client: Peer) -> None:
    kind, content = first_record(client)
    assert (kind, content[0]) == (HANDSHAKE, SERVER_HELLO), content


def expect_failures(stage: TlsStage, count: int) -> None:
    wait_until(lambda: stage.failures() == count, f"{count} failures", said=stage.said)


# What is not TLS.


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        b"OPTIONS * HTTP/1.0\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda text: text.split()[0].decode(),
)
def test_plain_http_is_told_so(stage: TlsStage, text: bytes) -> None:
    before = stage.failures()
    client = raw_client(stage)
    client.send(text)
    answer = client.receive_rest(SECONDS_MAX)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"\r\nConnection: close\r\n" in answer
    assert len(answer) < 1000
    client.close()
    expect_failures(stage, before + 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x93" + b"\xff" * 200,
        b"\0" * 1000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x80\x2e\x01\x00\x02" + b"\0" * 44,
        record(b"\1\0", kind=ALERT)[:6] + b"\x5a",
        record(b"x" * 100, kind=23),
        record(b"\1" + sized(bytes(range(200)), 3)),
        record(b"\x0b" + sized(b"certificate before hello", 3)),
        record(b""),
        record(b"\x02\x28", kind=ALERT),
    ],
    ids=[
        *("noise", "zeroes", "ssh", "ssl2", "odd alert", "data", "broken hello", "certificate"),
        *("empty", "alert"),
    ],
)
def test_garbage_is_refused_at_once(stage: TlsStage, data: bytes) -> None:
    before = stage.failures()
    client = raw_client(stage)
    client.send(data)
    client.half_close()
    client.receive_rest(SECONDS_MAX)
    expect_failures(stage, before + 1)


def test_one_who_only_looks_in_is_no_failure_that_is_stuck(stage: TlsStage) -> None:
    for end in ("close", "reset"):
        client = raw_client(stage)
        getattr(client, end)()
    stage.expect_rest()


# ClientHellos of all kinds.


def test_a_hello_in_single_bytes_is_understood(stage: TlsStage) -> None:
    client = raw_client(stage)
    for byte in record(hello()):
        client.send(bytes([byte]))
    expect_hello(client)


def test_a_hello_in_many_records_is_understood(stage: TlsStage) -> None:
    client = raw_client(stage)
    message = hello(more=extension(21, bytes(6000)))
    client.send(b"".join(record(message[at : at + 100]) for at in range(0, len(message), 100)))
    expect_hello(client)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">BHH", HANDSHAKE, 0x0301, 0xFFFF) + b"\1\xff\xff\xff" + bytes(0xFFFB),
        b"".join([record(b"\1\xff\xff\xff" + bytes(16000))] + [record(bytes(16384))] * 200),
    ],
    ids=["record", "message"],
)
def test_an_oversized_hello_is_refused_before_it_is_whole(stage: TlsStage, data: bytes) -> None:
    before, failures = stage.process.resident_bytes(), stage.failures()
    client = raw_client(stage)
    try:
        client.send(data)
        client.receive_rest(SECONDS_MAX)
    except ConnectionError:
        pass
    client.close()
    expect_failures(stage, failures + 1)
    assert stage.process.resident_bytes() - before < 2_000_000


@pytest.mark.parametrize(
    ("versions", "legacy"),
    [((), 0x0300), ((), 0x0301), ((), 0x0302), ((0x0302, 0x0301), 0x0303), ((0x7F00,), 0x0303)],
    ids=["SSL 3", "TLS 1.0", "TLS 1.1", "by extension", "from the future"],
)
def test_versions_before_1_2_are_refused(
    stage: TlsStage, versions: tuple[int, ...], legacy: int
) -> None:
    client = raw_client(stage)
    client.send(record(hello(versions=versions, legacy=legacy)))
    expect_alert(client, PROTOCOL_VERSION)


def test_tls_1_2_is_served_to_who_knows_no_newer(stage: TlsStage) -> None:
    client = raw_client(stage)
    client.send(record(hello(versions=())))
    expect_hello(client)


@pytest.mark.parametrize(
    "name",
    [
        b"localhost\0evil.example",
        b"\0",
        b"x" * 256,
        b"x" * 20_000,
    ],
    ids=["NUL within", "NUL", "256 bytes", "20,000 bytes"],
)
def test_a_name_that_cannot_be_one_is_refused(stage: TlsStage, name: bytes) -> None:
    client = raw_client(stage)
    message = hello(name)
    client.send(b"".join(record(message[at : at + 9000]) for at in range(0, len(message), 9000)))
    expect_alert(client)


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"localhost:443",
        b"localhost.",
        b"*.example",
        b"*",
        b"a..b",
        b".localhost",
        b"-",
        b"../../etc/passwd",
        b"\xff\xfe",
        b"\xc3\xa9.example",
        b"127.0.0.1",
        b"[::1]",
        b"x." * 127,
        b"x" * 255,
        b"{name} %s\r\n",
    ],
    ids=lambda name: repr(name[:20]),
)
def test_an_odd_name_is_a_name_that_nobody_has(stage: TlsStage, name: bytes) -> None:
    client = raw_client(stage)
    client.send(record(hello(name)))
    kind, content = first_record(client)
    assert (kind, content[0]) in ((HANDSHAKE, SERVER_HELLO), (ALERT, 2))


def test_upper_case_is_the_same_name(stage: TlsStage) -> None:
    client = stage.tls_client(trusting(stage.authority), "LOCALHOST")
    assert shown_by(client) == stage.certificate.fingerprint
    assert stage.ask_status(client) == 200


# After the handshake.


def blocking_connection(stage: TlsStage, version: int) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    peer = raw_client(stage)
    peer.sock.settimeout(None)
    connection = SSL.Connection(context, peer.sock)
    connection.set_tlsext_host_name(b"localhost")
    connection.set_connect_state()
    connection.do_handshake()
    return connection


def test_renegotiation_is_refused(stage: TlsStage) -> None:
    connection = blocking_connection(stage, SSL.TLS1_2_VERSION)
    connection.send(get("/echo"))
    answer = b""
    while not answer.endswith(b"]]}"):
        answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert connection.renegotiate()
    with pytest.raises(SSL.Error, match="no renegotiation"):
        connection.do_handshake()


class SystemTls:
    """A client by the system's own OpenSSL, for what Python has no call for."""

    def __init__(self, stage: TlsStage) -> None:
        name = ctypes.util.find_library("ssl")
        if name is None:
            assert not os.environ.get("CI"), "libssl is missing"
            pytest.skip("no libssl")
        self.lib = ctypes.CDLL(name)
        for returns in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(self.lib, returns).restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(
            self.lib.SSL_CTX_new(ctypes.c_void_p(self.lib.TLS_client_method()))
        )
        self._tls = ctypes.c_void_p(self.lib.SSL_new(self._context))
        self._peer = raw_client(stage)
        self._peer.sock.settimeout(None)
        self.call("SSL_set_fd", self._peer.sock.fileno())
        assert self.call("SSL_connect") == 1

    def call(self, name: str, *arguments: Any) -> int:
        result: int = getattr(self.lib, name)(self._tls, *arguments)
        return result

    def write(self, data: bytes) -> int:
        return self.call("SSL_write", data, len(data))

    def read(self) -> bytes:
        buffer = ctypes.create_string_buffer(65536)
        count = self.call("SSL_read", buffer, len(buffer))
        return buffer.raw[: max(0, count)]

    @property
    def is_writable(self) -> bool:
        return bool(select.select([], [self._peer.sock], [], 0.2)[1])

    def free(self) -> None:
        self.lib.SSL_free(self._tls)
        self.lib.SSL_CTX_free(self._context)


KEY_UPDATE_REQUESTED = 1


def test_keys_are_updated_when_a_client_asks(stage: TlsStage) -> None:
    client = SystemTls(stage)
    for _ in range(3):
        assert client.call("SSL_key_update", KEY_UPDATE_REQUESTED) == 1
        assert client.write(get("/echo")) > 0
        answer = b""
        while not answer.endswith(b"]]}"):
            data = client.read()
            assert data, answer
            answer += data
        assert answer.startswith(b"HTTP/1.1 200 ")
    client.free()


def test_a_flood_of_key_updates_is_bounded(stage: TlsStage) -> None:
    """Each one asks for an answer, and none is read: what waits to be sent does not grow."""
    before = stage.process.resident_bytes()
    client = SystemTls(stage)
    for _ in range(100_000):
        client.call("SSL_key_update", KEY_UPDATE_REQUESTED)
        if not client.is_writable or client.call("SSL_do_handshake") != 1:
            break
    else:
        pytest.fail("all of them were taken")
    assert stage.process.resident_bytes() - before < 4_000_000
    # Others are served meanwhile.
    assert stage.ask_status(stage.tls_client()) == 200
    client.free()


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_client_that_ends_without_a_word_cuts_its_own_request_only(
    stage: TlsStage, end: str
) -> None:
    client = stage.tls_client()
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    _, peer = stage.next_request()
    peer.receive_until(b"half", SECONDS_MAX)
    # A bare end may be cut by anybody on the way: it is no end of a body.
    getattr(client, end)()
    peer.expect_end(SECONDS_MAX)


def test_a_broken_record_ends_the_connection(stage: TlsStage) -> None:
    client = stage.tls_client()
    assert stage.ask_status(client) == 200
    bare = os.dup(client.sock.fileno())
    os.write(bare, record(os.urandom(100), kind=23, version=0x0303))
    os.close(bare)
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        client.receive(SECONDS_MAX)


# Time, and many.


def test_hundreds_of_handshakes_that_stop_halfway_are_closed_in_time(tmp_path: Path) -> None:
    with TlsStage(tmp_path, top="front_timeout = 30\nrequest_timeout = 1") as stage:
        whole = record(hello())
        served = stage.tls_client()
        assert stage.ask_status(served) == 200
        before = stage.failures()
        crowd = []
        for number in range(500):
            client = raw_client(stage)
            # Nothing, a part of the hello, or all of it and no more after that.
            client.send([b"", whole[:3], whole[:100], whole][number % 4])
            crowd.append(client)
        # Those who came before and those who come now are served all the while.
        assert stage.ask_status(served) == 200
        assert stage.ask_status(stage.tls_client()) == 200
        for client in crowd:
            client.receive_rest(SECONDS_MAX)
            client.close()
        expect_failures(stage, before + 500)


def test_a_hello_that_drips_does_not_outlast_the_time_for_it(tmp_path: Path) -> None:
    with TlsStage(tmp_path, top="front_timeout = 30\nrequest_timeout = 1") as stage:
        client = raw_client(stage)
        for byte in record(hello()):
            if select.select([client.sock], [], [], 0.05)[0]:
                break
            client.send(bytes([byte]))
        else:
            pytest.fail("it was waited for longer than ten seconds")
        client.receive_rest(SECONDS_MAX)
