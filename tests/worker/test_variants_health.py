"""V24 with real probes: a backend whose check fails is left out, and comes back."""

from dataclasses import replace

import pytest

from sozutw.config.model import Cluster
from sozutw.config.policies import HealthCheck
from sozutw.config.requests import AddCluster
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import FakeWorld, ok
from tests.worker.scenes import assert_got, assert_served_by, kept_alive

BOTH = pytest.mark.parametrize("method", ["GET", "POST"])
CHECK = HealthCheck("/up", interval=1, timeout=1, healthy_threshold=2, unhealthy_threshold=2)
SICK = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class CheckedWorld(FakeWorld):
    """A world whose cluster is checked; the test answers the checks for all backends."""

    def __init__(self, *backends: str, cluster: Cluster | None = None) -> None:
        cluster = cluster or Cluster("app")
        super().__init__(*backends, cluster=replace(cluster, health_check=CHECK))
        self.worker.health.startService()
        self.follow()

    def follow(self) -> None:
        """Tell the health checks what is configured."""
        self.worker.health.follow("app", self.applier.clusters.get("app"))
        self.check()

    def probe(self, **answers: bytes | None) -> None:
        """Let a round of checks come, and each backend answer it; None: it refuses."""
        while not self.probes:
            self.clock.advance(0.125)
        probes = {self.name_of(dial): dial for dial in self.probes}
        assert probes.keys() == answers.keys()
        for name, answer in answers.items():
            index = self.dialler.dials.index(probes[name])
            if answer is None:
                self.dialler.fail(index)
                continue
            transport = self.dialler.complete(index)
            assert transport is not None
            assert transport.take().startswith(b"GET /up HTTP/1.1\r\n")
            transport.receive(answer)
            self.turn()
            assert transport.disconnected
        self.check()

    def assert_baseline(self, *, closes_clients: bool = True) -> None:
        """Nothing is left, of the checks either."""
        self.worker.health.stopService()
        super().assert_baseline(closes_clients=closes_clients)


def fall_ill(world: CheckedWorld, answer: bytes | None = SICK) -> None:
    """Let A fail so many checks that it counts as unhealthy, and B succeed."""
    world.probe(A=answer, B=ok(b""))
    assert world.state("A").is_healthy
    world.probe(A=answer, B=ok(b""))
    assert not world.state("A").is_healthy


@BOTH
@pytest.mark.parametrize("answer", [SICK, None])
def test_v24_a_backend_whose_checks_fail_is_not_used_though_its_connection_lives(
    method: str, answer: bytes | None
) -> None:
    world = CheckedWorld("A", "B")
    client, a = kept_alive(world)
    fall_ill(world, answer)
    client.ask(method, b"/2")
    assert_served_by(world, "B", client, method, b"/2")
    assert a.take() == b""
    assert not a.is_aborted
    world.assert_baseline()


def test_v24_it_is_used_again_when_its_checks_succeed_and_its_connection_too() -> None:
    world = CheckedWorld("A", "B")
    client, a = kept_alive(world)
    fall_ill(world)
    world.probe(A=ok(b""), B=ok(b""))
    assert not world.state("A").is_healthy
    world.probe(A=ok(b""), B=ok(b""))
    assert world.state("A").is_healthy
    world.let_be_next("A")
    client.get(b"/2")
    assert_got(a, "GET", b"/2")
    a.receive(ok(b"A2"))
    assert client.answer() == (200, b"A2")
    world.assert_baseline()


@BOTH
def test_v24_what_is_under_way_on_a_backend_that_falls_ill_finishes_there(method: str) -> None:
    world = CheckedWorld("A", "B")
    client = world.client()
    client.ask(method, b"/1")
    a = world.connect("A")
    assert_got(a, method, b"/1")
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nA")
    fall_ill(world)
    assert not a.is_aborted
    a.receive(b"end")
    assert client.answer() == (200, b"Aend")
    client.ask(method, b"/2")
    assert_served_by(world, "B", client, method, b"/2")
    assert world.outcomes() == [(200, "A"), (200, "B")]
    world.assert_baseline()


def test_v24_a_backend_that_falls_ill_in_the_dial_still_has_that_request() -> None:
    world = CheckedWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    fall_ill(world)
    assert_served_by(world, "A", client, "GET", b"/1")
    world.assert_baseline()


def test_v24_an_illness_and_a_hang_up_lead_to_a_healthy_one() -> None:
    world = CheckedWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    fall_ill(world)
    a.hang_up()
    assert_served_by(world, "B", client, "GET", b"/1")
    world.assert_baseline()


def test_v24_a_cookie_for_a_backend_that_is_ill_is_set_anew() -> None:
    world = CheckedWorld("A", "B", cluster=Cluster("app", sticky_session=True))
    fall_ill(world)
    client = world.client()
    client.get(b"/1", extra=b"Cookie: SOZUBALANCEID=A\r\n")
    b = world.connect("B")
    b.receive(ok(b"B1"))
    assert b"\r\nSet-Cookie: SOZUBALANCEID=B; Path=/\r\n" in client.received()
    world.assert_baseline()


def test_when_all_are_ill_all_are_used() -> None:
    world = CheckedWorld("A", "B")
    client, a = kept_alive(world)
    for _ in range(2):
        world.probe(A=SICK, B=None)
    assert world.applier.clusters["app"].healthy_count() == 0
    world.let_be_next("A")
    client.get(b"/2")
    assert_got(a, "GET", b"/2")
    a.receive(ok(b"A2"))
    assert client.answer() == (200, b"A2")
    assert world.applier.clusters["app"].counters.fail_open > 0
    world.assert_baseline()


def test_without_the_check_it_is_used_at_once() -> None:
    world = CheckedWorld("A", "B")
    client, a = kept_alive(world)
    fall_ill(world)
    world.apply(AddCluster(Cluster("app")))
    world.follow()
    assert world.state("A").is_healthy
    world.let_be_next("A")
    client.get(b"/2")
    assert_got(a, "GET", b"/2")
    a.receive(ok(b"A2"))
    assert client.answer() == (200, b"A2")
    assert world.clock.getDelayedCalls() != []  # those of the connections
    world.assert_baseline()


@pytest.mark.parametrize("comes_back", [False, True])
def test_v21_v22_a_backend_that_is_removed_while_it_is_asked_is_gone(comes_back: bool) -> None:
    world = CheckedWorld("A", "B")
    client, a = kept_alive(world)
    world.probe(A=SICK, B=ok(b""))
    while not world.probes:
        world.clock.advance(0.125)
    old = world.state("A")
    world.remove_backend("A")
    assert a.is_aborted
    if comes_back:
        world.add_backend("A")
    world.follow()
    # What the old one answers is not what the new one would.
    (dial,) = [dial for dial in world.probes if world.name_of(dial) == "A"]
    transport = world.dialler.complete(world.dialler.dials.index(dial))
    assert isinstance(transport, FakeTransport)
    transport.receive(SICK)
    assert old.is_healthy
    assert world.applier.clusters["app"].healthy_count() == 1 + comes_back
    if comes_back:
        assert world.state("A") is not old
        world.let_be_next("A")
    client.get(b"/2")
    assert_served_by(world, "A" if comes_back else "B", client, "GET", b"/2")
    world.assert_baseline()


def test_probes_count_as_no_load_and_no_request() -> None:
    world = CheckedWorld("A", "B")
    world.probe(A=ok(b""), B=ok(b""))
    counters = world.worker.counters
    assert (counters.requests, counters.backend_connections) == (0, 0)
    for state in world.states():
        assert (state.counters.requests, state.counters.pool_misses) == (0, 0)
        assert state.counters.health_successes == 1
    assert world.records == []
    world.assert_baseline()
