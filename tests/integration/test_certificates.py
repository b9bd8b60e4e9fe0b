"""Certificates that change under load, in a whole proxy on its own reactor, run by hand."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from sozutw.config.model import (
    Config,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    Position,
    Settings,
)
from sozutw.config.requests import AddCertificate, RemoveCertificate, ReplaceCertificate
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import RefusedRequestError
from sozutw.process.tree import ProxyService
from tests.e2e.certificates import Authority, Issued
from tests.e2e.harness import Peer, ReservedPort
from tests.e2e.stage import get
from tests.e2e.tls import shown_by, tls_connect, tls_of, trusting
from tests.fakes.loops import HandRunLoop, loop_named

NAME = "changing.example"
REPLACEMENTS = 200
ROOT = Authority()


def held(issued: Issued) -> CertificateAndKey:
    return CertificateAndKey(issued.certificate, issued.key)


class House:
    """A proxy that answers every request itself, and the thread that runs it."""

    def __init__(self, loop: HandRunLoop, folder: Path) -> None:
        self.loop = loop
        self.reserved = ReservedPort()
        self.port = self.reserved.port
        self.address = InetAddress("127.0.0.1", self.port)
        self.default = ROOT.issue("localhost")
        listener = HttpsListener(
            HttpListener(self.address),
            alpn_protocols=("http/1.1",),
            certificate=held(self.default),
        )
        denies = FrontendRule(self.address, "*", position=Position.PRE)
        self.proxy = ProxyService(
            Config(
                Settings(access_logs_target=f"file://{folder / 'access.log'}"),
                https_listeners=(listener,),
                https_frontends=(denies,),
            ),
            loop.reactor,
        )
        self.proxy.privilegedStartService()
        self.proxy.startService()

    def apply(self, request: AddCertificate | RemoveCertificate | ReplaceCertificate) -> None:
        self.proxy.applier.apply(request)

    def stop(self) -> None:
        over: list[object] = []
        self.proxy.stopService().addBoth(over.append)
        self.loop.run_until(lambda: over)
        assert over == [None]
        self.reserved.close()

    def connect(self, name: str = NAME, session: ssl.SSLSession | None = None) -> Peer:
        """Connect from another thread: this one must run the loop meanwhile."""
        return tls_connect(self.port, trusting(ROOT), name, session)

    def serve(self, ask: Callable[[], object]) -> None:
        """Run the loop while somebody asks, in a thread; what he raises is raised here."""
        faults: list[BaseException] = []

        def asked() -> None:
            try:
                ask()
            except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
                faults.append(error)

        thread = threading.Thread(target=asked)
        thread.start()
        self.loop.run_until(lambda: not thread.is_alive())
        thread.join()
        for fault in faults:
            raise fault

    def shown_to(self, name: str | None) -> str:
        """Return the fingerprint of what a client is shown now."""
        shown = []

        def look() -> None:
            with tls_connect(self.port, trusting(None), name) as client:
                shown.append(shown_by(client))

        self.serve(look)
        return shown[0]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with loop_named("direct") as loop:
        house = House(loop, tmp_path)
        yield house
        house.stop()


def ask(client: Peer) -> None:
    client.send(get("/", NAME))
    head, _ = client.receive_message()
    assert head.startswith(b"HTTP/1.1 401 "), head


class Load:
    """
    Threads that connect, ask and keep connections, until they are told to stop.

    A certificate's number must lie between that of the last one whose replacement was over when
    a handshake began, and that of the last one whose replacement had begun when it ended.
    """

    def __init__(self, house: House, numbers: dict[str, int]) -> None:
        self.house = house
        self.numbers = numbers
        self.begun = 0
        self.over = 0
        self.handshakes = 0
        self.kept_requests = 0
        self.returned = 0
        self.resumed = 0
        self.faults: list[str] = []
        self._is_over = threading.Event()
        work = [self._connect_anew] * 3 + [self._keep, self._resume]
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in work]

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self.house.loop.run_until(lambda: not any(t.is_alive() for t in self._threads))
            for thread in self._threads:
                thread.join()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is told by the test
            self.faults.append(f"{work.__name__}: {error!r}")

    def _connect_anew(self) -> None:
        while not self._is_over.is_set():
            oldest = self.over
            with self.house.connect() as client:
                number = self.numbers[shown_by(client)]
                if not oldest <= number <= self.begun:
                    self.faults.append(f"{number} was shown, not {oldest} to {self.begun}")
                ask(client)
            self.handshakes += 1

    def _keep(self) -> None:
        with self.house.connect() as client:
            shown = shown_by(client)
            while not self._is_over.is_set():
                ask(client)
                self.kept_requests += 1
            assert shown_by(client) == shown

    def _resume(self) -> None:
        context = trusting(ROOT)
        session = None
        while not self._is_over.is_set():
            with tls_connect(self.house.port, context, NAME, session) as client:
                ask(client)
                if session is not None:
                    self.returned += 1
                    self.resumed += tls_of(client).session_reused or False
                session = tls_of(client).session


def test_a_certificate_is_replaced_again_and_again_under_load(house: House) -> None:
    served = [ROOT.issue(NAME) for _ in range(REPLACEMENTS + 1)]
    load = Load(house, {issued.fingerprint: number for number, issued in enumerate(served)})
    house.apply(AddCertificate(house.address, held(served[0])))
    with load.running():
        house.loop.run_until(lambda: load.faults or (load.handshakes and load.kept_requests))
        for old, new in pairwise(served):
            load.begun += 1
            house.apply(ReplaceCertificate(house.address, held(new), old.fingerprint))
            load.over += 1
            # The load goes on between one and the next: some handshakes are under way just now.
            seen = load.handshakes
            house.loop.run_until(lambda seen=seen: load.faults or load.handshakes >= seen + 2)
            if load.faults:
                break
    assert load.faults == []
    assert load.over == REPLACEMENTS
    assert load.kept_requests > REPLACEMENTS
    # The keys of tickets belong to the listener, and not to what it serves.
    assert load.resumed == load.returned > 0
    assert house.shown_to(NAME) == served[-1].fingerprint
    assert house.proxy.serving.worker.counters.tls.failed == {}


def test_what_is_added_and_removed_is_seen_by_the_next_handshake(house: House) -> None:
    first, second = ROOT.issue(NAME, to_days=10), ROOT.issue(NAME, to_days=20)
    assert house.shown_to(NAME) == house.default.fingerprint
    house.apply(AddCertificate(house.address, held(first)))
    assert house.shown_to(NAME) == first.fingerprint
    # Of two the one that expires last.
    house.apply(AddCertificate(house.address, held(second)))
    assert house.shown_to(NAME) == second.fingerprint
    house.apply(RemoveCertificate(house.address, second.fingerprint))
    assert house.shown_to(NAME) == first.fingerprint
    house.apply(RemoveCertificate(house.address, first.fingerprint))
    assert house.shown_to(NAME) == house.default.fingerprint


def test_a_replacement_that_is_refused_leaves_the_old_one(house: House) -> None:
    good, other = ROOT.issue(NAME), ROOT.issue(NAME)
    expired = ROOT.issue(NAME, from_days=-9, to_days=-1)
    house.apply(AddCertificate(house.address, held(good)))
    refused = {
        "does not belong": CertificateAndKey(other.certificate, good.key),
        "expired": held(expired),
        "certificate": CertificateAndKey("nothing of the kind", other.key),
        "key": CertificateAndKey(other.certificate, "nothing of the kind"),
    }
    for reason, certificate in refused.items():
        with pytest.raises(RefusedRequestError, match=reason):
            house.apply(ReplaceCertificate(house.address, certificate, good.fingerprint))
        assert house.shown_to(NAME) == good.fingerprint
