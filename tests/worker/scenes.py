"""How most variants begin: a client whose kept-alive connection went to backend A."""

from tests.fakes.transport import FakeTransport
from tests.fakes.worker import FakeClient, FakeWorld, ok


def kept_alive(world: FakeWorld, turn: str = "A") -> tuple[FakeClient, FakeTransport]:
    """
    Let a client be answered by A, and both of its connections be kept.

    It is the turn of A again afterwards, or that of another.
    """
    client = world.client()
    client.get(b"/1")
    backend = world.connect("A")
    assert_got(backend, "GET", b"/1")
    backend.receive(ok(b"A1"))
    assert client.answer() == (200, b"A1")
    assert len(world.state("A").idle) == 1
    assert not backend.disconnecting
    world.check()
    world.let_be_next(turn)
    return client, backend


def assert_got(backend: FakeTransport, method: str, path: bytes) -> None:
    """One request, whole, and nothing else came to this backend since the last look."""
    data = backend.take()
    line = b"%b %b HTTP/1.1\r\n" % (method.encode(), path)
    assert data.startswith(line), data
    assert data.count(b" HTTP/1.1\r\n") == 1, data
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == (b"body of " + path if method == "POST" else b""), data
    assert head.count(b"\r\nHost: ") == 1, data


def assert_served_by(
    world: FakeWorld, name: str, client: FakeClient, method: str, path: bytes
) -> FakeTransport:
    """The one dial under way is to that backend; it gets the request once, and answers it."""
    backend = world.connect(name)
    assert_got(backend, method, path)
    body = name.encode() + path
    backend.receive(ok(body))
    assert client.answer() == (200, body)
    assert not client.is_closed
    world.check()
    return backend
