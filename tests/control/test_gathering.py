"""What is gathered is what there is: the gauges of backends are read off their states."""

from sozutw.control.gathering import reports_of
from tests.fakes.worker import LISTENER, FakeWorld


def test_every_listener_cluster_and_backend_is_told_with_its_live_numbers() -> None:
    world = FakeWorld("A", "B")
    world.client().get()
    world.connect("A")
    world.state("B").set_health(False)
    applier, counters = world.applier, world.worker.counters
    told = reports_of(counters, applier.listeners, applier.clusters, world.clock.seconds(), 7.0)
    assert told.worker is counters
    assert told.uptime_seconds == 7.0
    assert told.listeners == {str(LISTENER): applier.listeners[LISTENER].counters}
    assert told.clusters["app"].counters is applier.clusters["app"].counters
    (name, a), (other, b) = told.clusters["app"].backends
    assert (name, other) == ("A", "B")
    assert a.address == "10.1.0.1:80"
    assert (a.is_available, b.is_available) == (True, False)
    assert (a.counters.connections, a.counters.active_requests) == (1, 1)
    assert (b.counters.connections, b.counters.active_requests) == (0, 0)
