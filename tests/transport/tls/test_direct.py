"""The binding below pyOpenSSL: how little is asked of it, and what its absence leads to."""

import importlib.util
import socket
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL, _util

from sozutw.transport.stream import READ_BYTES_MAX
from sozutw.transport.tls import direct
from sozutw.transport.tls.causes import TlsError, WantRead, WantWrite
from sozutw.transport.tls.direct import ASIDES_MAX, DirectEndpoint, is_resumed
from sozutw.transport.tls.endpoint import HAS_MORE, RECORD_BYTES
from tests.fakes.benches import Recorder
from tests.fakes.loops import loop_named
from tests.fakes.tls import (
    Peer,
    TlsBench,
    TlsRecords,
    fault_in,
    fresh_server_context,
    server_context,
    unruly_client,
)


class Bench:
    """An endpoint and a client whose records are made by hand."""

    def __init__(self, version: int = 0, ours: SSL.Context | None = None) -> None:
        self.ours, self.theirs = socket.socketpair()
        context, self._records = unruly_client()
        if version:
            context.set_max_proto_version(version)
        for sock in (self.ours, self.theirs):
            sock.setblocking(False)
        self.endpoint = DirectEndpoint(ours or server_context(), self.ours, is_server=True)
        self.other = Peer(self.theirs, context, is_server=False)
        for _ in range(4):
            self.other.step()
            try:
                self.endpoint.handshake()
            except WantRead:
                continue
            break
        self.other.step()
        assert self.other.is_greeted

    def records(self) -> TlsRecords:
        return self._records()

    def close(self) -> None:
        self.endpoint.close()
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is called of the binding."""
    calls: list[str] = []

    def note(name: str) -> None:
        original = getattr(direct, name)

        def call(*args: Any) -> Any:
            calls.append(name)
            return original(*args)

        monkeypatch.setattr(direct, name, call)

    for name in ("_read", "_write"):
        note(name)
    return calls


def test_the_binding_is_used_here() -> None:
    assert direct.IS_DIRECT


def test_a_message_costs_one_read(bench: Bench, counted: list[str]) -> None:
    bench.other.connection.send(b"x" * 1000)
    bench.other.connection.send(b"y" * 1000)
    assert bench.endpoint.read(1 << 16) == b"x" * 1000
    assert counted == ["_read"]


def test_an_answer_costs_one_write(bench: Bench, counted: list[str]) -> None:
    bench.endpoint.write(b"x" * RECORD_BYTES)
    assert counted == ["_write"]


def test_full_records_are_read_together(bench: Bench, counted: list[str]) -> None:
    for _ in range(3):
        bench.other.connection.send(b"x" * RECORD_BYTES)
    bench.other.connection.send(b"y")
    assert len(bench.endpoint.read(RECORD_BYTES)) == RECORD_BYTES
    assert counted == ["_read"]
    assert len(bench.endpoint.read(1 << 16)) == 2 * RECORD_BYTES + 1
    assert counted == ["_read"] * 4
    assert bench.endpoint.owes == 0


def test_full_records_that_are_all_there_is_end_the_read(bench: Bench) -> None:
    bench.other.connection.send(b"x" * RECORD_BYTES)
    assert len(bench.endpoint.read(1 << 16)) == RECORD_BYTES
    assert bench.endpoint.owes == 0


def test_an_end_behind_full_records_is_told_after_them(bench: Bench) -> None:
    bench.other.connection.send(b"x" * RECORD_BYTES)
    bench.other.connection.shutdown()
    assert len(bench.endpoint.read(1 << 16)) == RECORD_BYTES
    assert bench.endpoint.owes == HAS_MORE
    assert bench.endpoint.read(1 << 16) == b""


def test_a_break_behind_full_records_is_told_after_them(bench: Bench) -> None:
    bench.other.connection.send(b"x" * RECORD_BYTES)
    bench.theirs.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert len(bench.endpoint.read(1 << 16)) == RECORD_BYTES
    assert bench.endpoint.owes == HAS_MORE
    with pytest.raises(TlsError) as caught:
        bench.endpoint.read(1 << 16)
    assert caught.value.cause == "decrypt_error"


def test_a_read_takes_in_one_key_update_and_no_more(bench: Bench) -> None:
    records = bench.records()
    bench.theirs.send(records.key_update() + records.key_update() + records.record(23, b"data"))
    for _ in range(2):
        with pytest.raises(WantRead):
            bench.endpoint.read(RECORD_BYTES)
    assert bench.endpoint.read(RECORD_BYTES) == b"data"
    assert not direct._ASIDES


@pytest.mark.parametrize("is_answer_wanted", [False, True])
def test_a_flood_of_key_updates_ends_the_connection(bench: Bench, is_answer_wanted: bool) -> None:
    records = bench.records()
    for _ in range(ASIDES_MAX):
        bench.theirs.send(records.key_update(is_answer_wanted=is_answer_wanted))
        with pytest.raises(WantRead):
            bench.endpoint.read(RECORD_BYTES)
    bench.theirs.send(records.key_update())
    with pytest.raises(TlsError) as caught:
        bench.endpoint.read(RECORD_BYTES)
    assert caught.value.cause == "peer_misbehaved"
    bench.endpoint.close()
    assert not direct._ASIDES


def test_key_updates_among_data_go_on_for_ever(bench: Bench) -> None:
    records = bench.records()
    for _ in range(ASIDES_MAX * 2):
        bench.theirs.send(records.key_update() + records.record(23, b"data"))
        with pytest.raises(WantRead):
            bench.endpoint.read(RECORD_BYTES)
        assert bench.endpoint.read(RECORD_BYTES) == b"data"


def test_a_flood_of_empty_records_ends_the_connection(bench: Bench) -> None:
    records = bench.records()
    bench.theirs.send(b"".join(records.record(23, b"", 3) for _ in range(50)))
    fault = fault_in(lambda: bench.endpoint.read(RECORD_BYTES), 50)
    assert isinstance(fault, TlsError)
    assert fault.cause == "peer_misbehaved"


def test_a_flood_of_renegotiations_ends_the_connection() -> None:
    bench = Bench(SSL.TLS1_2_VERSION)
    assert bench.other.connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        bench.other.connection.do_handshake()
    with pytest.raises(WantRead):
        bench.endpoint.read(RECORD_BYTES)
    assert sum(direct._ASIDES.values()) > 0
    bench.close()
    assert not direct._ASIDES


def test_no_more_is_asked_for_than_the_buffer_holds(bench: Bench) -> None:
    with pytest.raises(WantRead):
        bench.endpoint.read(READ_BYTES_MAX)
    with pytest.raises(AssertionError, match="past the end"):
        bench.endpoint.read(READ_BYTES_MAX + 1)


def test_a_closed_endpoint_reaches_no_socket(bench: Bench) -> None:
    bench.endpoint.close()
    with pytest.raises(TypeError):
        bench.endpoint.read(1)
    with pytest.raises(TypeError):
        bench.endpoint.write(b"x")
    assert bench.endpoint.connection.get_cipher_name()


def reloaded() -> ModuleType:
    """Return the module as it is when it meets another binding."""
    spec = importlib.util.spec_from_file_location("direct_again", Path(direct.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trimmed(version: int = 0) -> Bench:
    bench = Bench(version)
    bench.endpoint.trim()
    return bench


def test_the_object_around_a_connection_goes_when_it_is_open_and_its_context_stays() -> None:
    context = fresh_server_context()
    bench = Bench(ours=context)
    around = weakref.ref(bench.endpoint.connection)
    bench.endpoint.trim()
    assert around() is None
    held = weakref.ref(context)
    del context
    assert held() is not None
    bench.close()
    del bench
    assert held() is None


def test_one_that_wanted_a_certificate_is_asked_for_it_later() -> None:
    context = fresh_server_context()
    context.set_verify(SSL.VERIFY_PEER)
    bench = Bench(ours=context)
    bench.endpoint.trim()
    assert bench.endpoint.peer_certificate() is None
    assert bench.endpoint.connection.get_cipher_name()
    bench.close()


def test_a_trimmed_connection_does_all_that_an_open_one_does() -> None:
    bench = trimmed()
    assert bench.endpoint.peer_certificate() is None
    assert bench.other.connection.send(b"ping") == 4
    assert bench.endpoint.read(RECORD_BYTES) == b"ping"
    assert not bench.endpoint.has_said_something()
    assert bench.endpoint.write(b"pong") == 4
    assert bench.other.connection.recv(10) == b"pong"
    bench.endpoint.say_done()
    with pytest.raises(SSL.ZeroReturnError):
        bench.other.connection.recv(1)
    bench.other.connection.shutdown()
    assert bench.endpoint.read(1) == b""
    bench.endpoint.say_done()
    bench.close()
    bench.endpoint.close()


def test_a_trimmed_connection_is_renegotiated_by_nobody() -> None:
    bench = trimmed(version=SSL.TLS1_2_VERSION)
    assert bench.other.connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        bench.other.connection.do_handshake()
    with pytest.raises(WantRead):
        bench.endpoint.read(RECORD_BYTES)
    with pytest.raises(SSL.Error):
        bench.other.connection.do_handshake()
    bench.close()


def test_the_end_of_a_trimmed_connection_that_broke_is_told() -> None:
    bench = trimmed()
    bench.theirs.send(b"no record at all, but long enough for a header")
    with pytest.raises(TlsError) as told:
        bench.endpoint.read(RECORD_BYTES)
    with pytest.raises(TlsError) as again:
        bench.endpoint.say_done()
    assert again.value is told.value
    bench.close()


def test_what_has_no_room_for_its_close_notify_says_so_when_trimmed() -> None:
    bench = trimmed()
    while True:
        try:
            bench.ours.send(bytes(65536))
        except BlockingIOError:
            break
    with pytest.raises(WantWrite):
        bench.endpoint.say_done()
    bench.close()


@pytest.mark.parametrize(
    "missing",
    ["SSL_read", "SSL_shutdown", "SSL_clear_mode", "ERR_peek_error", "SSL_set_info_callback"],
)
def test_without_a_name_the_methods_are_used(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    poorer = SimpleNamespace(
        **{name: getattr(_util.lib, name) for name in dir(_util.lib) if name != missing}
    )
    monkeypatch.setattr(_util, "lib", poorer)
    module = reloaded()
    assert not module.IS_DIRECT
    assert not module.is_resumed(SSL.Connection(SSL.Context(SSL.TLS_METHOD), None))


def test_a_name_that_means_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(**{name: getattr(_util.lib, name) for name in dir(_util.lib)})
    other.SSL_write = lambda *_: 4
    monkeypatch.setattr(_util, "lib", other)
    assert not reloaded().IS_DIRECT


def test_a_stale_error_is_not_taken_for_one_of_a_write(bench: Bench) -> None:
    _util.lib.ERR_put_error(6, 0, 100, b"elsewhere", 1)
    assert bench.endpoint.write(b"x") == 1
    assert _util.lib.ERR_peek_error() == 0


def test_a_reset_is_an_error_of_the_socket() -> None:
    with loop_named("direct") as loop:
        bench = TlsBench(Recorder(), loop)
        bench.transport.pauseProducing()
        bench.resets()
        with pytest.raises(ConnectionResetError):
            bench.endpoint.read(RECORD_BYTES)
        bench.close()


def test_a_fresh_session_was_not_resumed(bench: Bench) -> None:
    assert not is_resumed(bench.endpoint.connection)


def test_what_is_written_is_let_go_of_in_the_frame_of_the_write(bench: Bench) -> None:
    # A view that only the collector would release can crash the process.
    view = memoryview(bytearray(b"x" * 100_000))
    while True:
        try:
            bench.endpoint.write(view)
        except BlockingIOError:
            break
    view.release()
