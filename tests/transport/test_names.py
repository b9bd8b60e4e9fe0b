"""Tests of ``sozutw.transport.names``."""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sozutw.transport.names import Names, is_literal
from tests.fakes.loops import loop_named


class Resolver:
    def __init__(self) -> None:
        self.questions: list[tuple[Any, str]] = []

    def resolveHostName(self, receiver: Any, name: str) -> None:
        receiver.resolutionBegan(None)
        self.questions.append((receiver, name))

    def answer(self, index: int, *hosts: str) -> None:
        receiver, _ = self.questions[index]
        for host in hosts:
            kind = IPv6Address if ":" in host else IPv4Address
            receiver.addressResolved(kind("TCP", host, 0))
        receiver.addressResolved(UNIXAddress("/odd"))
        receiver.resolutionComplete()


class Reactor(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = Resolver()


class Asker:
    def __init__(self) -> None:
        self.answers: list[Any] = []

    def name_resolved(self, hosts: tuple[str, ...]) -> None:
        self.answers.append(hosts)

    def name_not_resolved(self, reason: Failure) -> None:
        self.answers.append(reason.type)


def test_a_literal_needs_no_asking() -> None:
    names = Names(Reactor())
    assert names.known("127.0.0.1") == ("127.0.0.1",)
    assert names.known("::1") == ("::1",)
    assert names.known("localhost") is None
    assert is_literal("fe80::1%eth0")
    assert not is_literal("1.2.3")


def test_one_look_up_serves_all_who_ask_and_is_kept() -> None:
    reactor = Reactor()
    names = Names(reactor)
    askers = [Asker(), Asker()]
    for asker in askers:
        names.resolve("backend", asker)
    assert len(reactor.nameResolver.questions) == 1
    reactor.nameResolver.answer(0, "10.0.0.2", "10.0.0.1", "10.0.0.2", "::1")
    assert askers[0].answers == [], "told in the resolver's frame"
    reactor.advance(0)
    expected = ("10.0.0.2", "10.0.0.1", "::1")
    assert [asker.answers for asker in askers] == [[expected], [expected]]
    assert names.known("backend") == expected


def test_a_forgotten_name_is_asked_anew() -> None:
    reactor = Reactor()
    names = Names(reactor)
    first, second = Asker(), Asker()
    names.resolve("backend", first)
    names.forget("backend")
    names.resolve("backend", second)
    assert len(reactor.nameResolver.questions) == 2
    reactor.nameResolver.answer(0, "10.0.0.1")
    reactor.advance(0)
    assert first.answers == [("10.0.0.1",)]
    assert names.known("backend") is None, "an answer from before was kept"
    reactor.nameResolver.answer(1, "10.0.0.2")
    reactor.advance(0)
    assert second.answers == [("10.0.0.2",)]
    assert names.known("backend") == ("10.0.0.2",)
    names.forget("backend")
    assert names.known("backend") is None
    names.forget("never known")


def test_a_name_without_addresses_is_not_kept() -> None:
    reactor = Reactor()
    names = Names(reactor)
    asker = Asker()
    names.resolve("backend", asker)
    reactor.nameResolver.answer(0)
    reactor.advance(0)
    assert asker.answers == [DNSLookupError]
    assert names.known("backend") is None
    names.resolve("backend", asker)
    assert len(reactor.nameResolver.questions) == 2


def test_who_takes_the_question_back_hears_nothing() -> None:
    reactor = Reactor()
    names = Names(reactor)
    asker = Asker()
    take_back = names.resolve("backend", asker)
    take_back()
    take_back()
    reactor.nameResolver.answer(0, "10.0.0.1")
    reactor.advance(0)
    assert asker.answers == []


def test_one_asker_may_make_another_take_back() -> None:
    reactor = Reactor()
    names = Names(reactor)
    second = Asker()

    class Rude(Asker):
        def name_resolved(self, hosts: tuple[str, ...]) -> None:
            take_back()

    names.resolve("backend", Rude())
    take_back = names.resolve("backend", second)
    reactor.nameResolver.answer(0, "10.0.0.1")
    reactor.advance(0)
    assert second.answers == []


def test_the_resolver_of_a_real_reactor_answers() -> None:
    with loop_named("direct") as loop:
        names = Names(loop.reactor)
        asker = Asker()
        names.resolve("localhost", asker)
        loop.reactor.threadpool.start()
        loop.run_until(lambda: asker.answers)
        assert set(asker.answers[0]) <= {"127.0.0.1", "::1"}
