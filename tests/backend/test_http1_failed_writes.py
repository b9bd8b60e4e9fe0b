"""A request of which nothing was written goes to another backend, whatever its method."""

from tests.fakes.worker import FakeWorld, ok
from tests.worker.scenes import assert_got, kept_alive

POST = b"POST /1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n"


def test_a_post_whose_first_write_failed_goes_to_another_backend() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    a.fail_to_write()
    client.ask("POST", b"/2")
    world.turn()
    b = world.connect("B")
    assert_got(b, "POST", b"/2")
    b.receive(ok(b"B2"))
    assert client.answer() == (200, b"B2")
    world.assert_baseline()


def test_a_post_of_which_a_later_write_failed_is_a_502() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.send(POST % 10 + b"hello")
    a.fail_to_write()
    client.send(b"w")
    world.turn()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert world.dialled() == ["A"]
    world.assert_baseline()
