"""What a connection tells of itself: idle, in an exchange, draining, closing."""

from tests.fakes.worker import LISTENER, FakeWorld, ok


def test_a_connection_tells_what_it_is_about() -> None:
    world = FakeWorld("A")
    client = world.client()
    connection = client.connection
    at = str(LISTENER)
    assert connection.doing() == (at, "HTTP", "idle", "", "", "")
    assert connection.is_idle()
    assert connection.came_in_at(world.applier.listeners[LISTENER])
    assert not connection.came_in_at(object())
    client.get(b"/1")
    a = world.connect("A")
    assert not connection.is_idle()
    assert connection.doing() == (at, "HTTP", "exchange", "app", "A", "10.1.0.1:80")
    connection.drain()
    assert connection.doing().state == "draining"
    a.receive(ok(b"1"))
    assert connection.doing().state == "closing"
    world.advance(3)
    world.assert_baseline()


def test_silence_counts_from_the_last_sign_of_life() -> None:
    world = FakeWorld("A")
    client = world.client()
    world.clock.advance(3)
    client.send(b"GET")
    assert client.connection.active_at() == world.worker.wheel.now()
    assert client.connection.patience_seconds() > 0
    world.assert_baseline()
