"""The new process: what it makes of what is handed over, and when it refuses."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sozutw.config import requests as orders
from sozutw.config.model import Cluster, HttpListener, HttpsListener, InetAddress, ListenerKind
from sozutw.config.requests import Request
from sozutw.config.state import RefusedRequestError
from sozutw.control.messages.records import write_records
from sozutw.control.messages.translate import message_of
from sozutw.process.run import CannotStartError
from sozutw.process.upgrade import takeover
from sozutw.process.upgrade.conversation import Conversation
from sozutw.process.upgrade.inheritance import Inheritance
from sozutw.process.upgrade.takeover import CannotTakeOverError
from sozutw.wire.handover import Handover, HandoverError, Word
from tests.fakes.certificates import leaf

ADMIN = "127.0.0.1:9"


def state_of(*requests: Request, end: bytes = b"") -> int:
    descriptor = os.memfd_create("state")
    os.write(descriptor, b"".join(write_records(map(message_of, requests))) + end)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def listening(family: int = socket.AF_INET) -> socket.socket:
    sock = socket.socket(family)
    sock.bind(("127.0.0.1", 0) if family == socket.AF_INET else "")
    sock.listen()
    return sock


def written(folder: Path, text: str = "") -> str:
    path = folder / "sozutw.toml"
    path.write_text(text)
    return str(path)


def test_sockets_and_state_are_what_the_process_begins_with(tmp_path: Path) -> None:
    client, command, admin = listening(), listening(socket.AF_UNIX), listening()
    address = InetAddress(*client.getsockname())
    handover = Handover(written(tmp_path), False, (str(address),), "/run/s.sock", ADMIN)
    state = state_of(orders.AddCluster(Cluster("app")))
    descriptors = [state, *(os.dup(one.fileno()) for one in (client, command, admin))]
    config, inheritance = takeover._taken(handover, descriptors)
    assert inheritance.requests == [orders.AddCluster(Cluster("app"))]
    assert inheritance.sockets[address].getsockname() == client.getsockname()
    assert inheritance.sockets[InetAddress("127.0.0.1", 9)].getsockname() == admin.getsockname()
    assert inheritance.command_path == "/run/s.sock"
    assert inheritance.command is not None
    assert config.settings.command_socket is not None
    for one in (client, command, admin, inheritance.command, *inheritance.sockets.values()):
        one.close()


@pytest.mark.parametrize(
    ("text", "end", "why"),
    [
        ("buffer_size = 1", b"", ":1: buffer_size is 1"),
        ("", b"{", "the state: record 2"),
        ("", b'{"id":"x","content":{"request_type":{"STATUS":{}}}}\n\0', "record 2 of the state"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, text: str, end: bytes, why: str) -> None:
    handover = Handover(written(tmp_path, text), False, (), None, None)
    state = state_of(orders.AddCluster(Cluster("app")), end=end)
    with pytest.raises(CannotTakeOverError, match=why):
        takeover._taken(handover, [state])


def test_certificates_that_were_renewed_meanwhile_are_served(tmp_path: Path) -> None:
    old, new = leaf("a.example", serial=1).held(), leaf("a.example", serial=2).held()
    (tmp_path / "c.pem").write_text(new.certificate)
    (tmp_path / "k.pem").write_text(new.key)
    path = written(
        tmp_path,
        """
[[listeners]]
protocol = "https"
address = "127.0.0.1:8443"
certificate = "c.pem"
key = "k.pem"
watch_certificates = true
[clusters.app]
protocol = "http"
[[clusters.app.frontends]]
address = "127.0.0.1:8443"
hostname = "a.example"
certificate = "c.pem"
key = "k.pem"
""",
    )
    here = InetAddress("127.0.0.1", 8443)
    listener = HttpsListener(HttpListener(here), certificate=old)
    state = state_of(orders.AddHttpsListener(listener))
    _, inheritance = takeover._taken(Handover(path, False, (), None, None), [state])
    _, *renewed = inheritance.requests
    assert [(type(one), one.certificate.certificate) for one in renewed] == [
        (orders.ReplaceDefaultCertificate, new.certificate),
        (orders.AddCertificate, new.certificate),
    ]
    state = state_of(orders.AddHttpsListener(listener), *renewed)
    _, again = takeover._taken(Handover(path, False, (), None, None), [state])
    assert list(map(type, again.requests)).count(orders.AddCertificate) == 1


class Other:
    """The process that hands over, in a thread."""

    def __init__(self) -> None:
        self.theirs, ours = socket.socketpair()
        self.talk = Conversation(ours, 10.0)

    def descriptor(self) -> str:
        return str(self.theirs.detach())


@pytest.fixture
def other() -> Iterator[Other]:
    other = Other()
    yield other
    other.talk.close()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Inheritance]:
    """The proxy that would run: it says its words and is over."""
    seen: list[Inheritance] = []

    def run(_config: Any, _reactor: Any, *, source: Any, inheritance: Inheritance) -> None:
        seen.append(inheritance)
        inheritance.ready()
        inheritance.served()

    monkeypatch.setattr(takeover, "run_in_foreground", run)
    monkeypatch.setattr(takeover, "choose_reactor", lambda: None)
    return seen


def test_the_words_come_in_their_order(
    other: Other, tmp_path: Path, runs: list[Inheritance]
) -> None:
    other.talk.offer(Handover(written(tmp_path), False, (), None, None), [state_of()])
    heard: list[Word] = []

    def lead() -> None:
        heard.append(other.talk.hear("ready"))
        other.talk.say(Word("take"))
        heard.append(other.talk.hear("taken"))
        other.talk.close()

    thread = threading.Thread(target=lead)
    thread.start()
    assert takeover.main([other.descriptor()]) == 0
    thread.join()
    assert heard == [Word("ready", os.getpid()), Word("taken", os.getpid())]
    assert len(runs) == 1


def test_a_refusal_is_told_to_the_other_and_on_stderr(
    other: Other, tmp_path: Path, runs: list[Inheritance], capfd: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "buffer_size = 1")
    other.talk.offer(Handover(path, False, (), None, None), [state_of()])
    assert takeover.main([other.descriptor()]) == 78
    with pytest.raises(HandoverError, match="buffer_size is 1"):
        other.talk.hear("ready")
    assert "sozutw cannot take over: " in capfd.readouterr().err
    assert runs == []


def test_nobody_to_take_over_from_is_no_start(other: Other, runs: list[Inheritance]) -> None:
    descriptor = other.descriptor()
    other.talk.close()
    assert takeover.main([descriptor]) == 1
    assert runs == []


def test_without_the_word_to_take_it_does_not_serve(
    other: Other, tmp_path: Path, runs: list[Inheritance], capfd: pytest.CaptureFixture[str]
) -> None:
    other.talk.offer(Handover(written(tmp_path), False, (), None, None), [state_of()])
    other.talk.say(Word("refused", why="it is stopping"))
    with pytest.raises(SystemExit) as exit_:
        takeover.main([other.descriptor()])
    assert exit_.value.code == 1
    assert "does not take over: it is stopping" in capfd.readouterr().err


def test_one_that_has_gone_meanwhile_is_no_fault_of_ours(
    tmp_path: Path, runs: list[Inheritance], capfd: pytest.CaptureFixture[str]
) -> None:
    other = Other()
    other.talk.offer(Handover(written(tmp_path), False, (), None, None), [state_of()])
    other.talk.close()
    with pytest.raises(SystemExit) as exit_:
        takeover.main([other.descriptor()])
    assert exit_.value.code == 1
    assert "does not take over: " in capfd.readouterr().err
    assert len(runs) == 1


def test_what_keeps_it_from_starting_is_told_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_asked: Any, **_more: Any) -> None:
        raise CannotStartError(1, "the port is taken")

    monkeypatch.setattr(takeover, "run_in_foreground", run)
    monkeypatch.setattr(takeover, "choose_reactor", lambda: None)
    other = Other()
    other.talk.offer(Handover(written(tmp_path), False, (), None, None), [state_of()])
    with pytest.raises(CannotStartError):
        takeover.main([other.descriptor()])
    with pytest.raises(HandoverError, match="the port is taken"):
        other.talk.hear("ready")
    other.talk.close()


@pytest.mark.parametrize("was_there", [False, True])
def test_a_certificate_of_a_listener_that_is_only_in_the_file_is_left_out(
    tmp_path: Path, was_there: bool
) -> None:
    pair = leaf("a.example")
    for name, text in (("c.pem", pair.pem), ("k.pem", pair.key_pem())):
        (tmp_path / name).write_text(text)
    path = written(
        tmp_path,
        """
[[listeners]]
protocol = "https"
address = "127.0.0.1:8443"
certificate = "c.pem"
key = "k.pem"
watch_certificates = true
""",
    )
    at = InetAddress("127.0.0.1", 8443)
    # Of a listener that is gone, rules and certificates may be left.
    came = orders.AddHttpsListener(HttpsListener(HttpListener(at)))
    went = orders.RemoveListener(at, ListenerKind.HTTPS)
    state = [came, went] if was_there else []
    handover = Handover(path, False, (), None, None)
    config, inheritance = takeover._taken(handover, [state_of(*state)])
    assert len(config.watched) == 1
    assert inheritance.requests == state


def test_a_state_that_does_not_apply_is_told_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(*_asked: Any, **_more: Any) -> None:
        raise RefusedRequestError("no such listener")

    monkeypatch.setattr(takeover, "run_in_foreground", run)
    monkeypatch.setattr(takeover, "choose_reactor", lambda: None)
    other = Other()
    other.talk.offer(Handover(written(tmp_path), False, (), None, None), [state_of()])
    assert takeover.main([other.descriptor()]) == 78
    with pytest.raises(HandoverError, match="no such listener"):
        other.talk.hear("ready")
    other.talk.close()
    assert "sozutw cannot take over: no such listener" in capfd.readouterr().err
