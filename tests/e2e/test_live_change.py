"""
The promise, kept by a real process: a change touches nobody whom it does not concern.

150 connections in the middle of something, and some more over TLS, are held while random orders
come through the command socket; after each, a new request goes where a plain model says.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from sozutw.config.model import InetAddress
from sozutw.control.messages.translate import message_of
from tests.e2e.harness import ReservedPort, connect, is_refused, wait_until
from tests.e2e.live import Crowd, Download, Held, LiveStage, Upload, WebSocket
from tests.e2e.stage import SECONDS_MAX, expect_answer, get, status_of
from tests.fakes.live_model import Model

ORDERS = 600
EACH = 50
EACH_OVER_TLS = 5
KINDS: tuple[type[Held], ...] = (WebSocket, Upload, Download)
BATCHED = 4
"""Up to so many orders are sent as one."""


class RealModel(Model):
    """The model, with backends that really answer."""

    def __init__(self, chance: random.Random, at: int, other: int, crowd: Crowd) -> None:
        super().__init__(chance, InetAddress("127.0.0.1", at), InetAddress("127.0.0.1", other))
        self._ports = crowd.ports

    @classmethod
    def backend_names(cls) -> list[str]:
        return [f"{name}-{backend_id}" for name in cls.names for backend_id in cls.backend_ids]

    @override
    def address(self, name: str, backend_id: str) -> InetAddress:
        return InetAddress("127.0.0.1", self._ports[f"{name}-{backend_id}"])

    def bodies(self, host: str) -> set[bytes]:
        """The names of the backends of which one must be asked."""
        name = self.rules[host]
        assert name is not None
        return {f"{name}-{backend_id}".encode() for backend_id in self.backends[name]}


class Clients:
    """Who must see the new state: one whose connection is kept, and each time a new one."""

    def __init__(self, stage: LiveStage) -> None:
        self._stage = stage
        self._kept = stage.client()
        self._is_fresh = False

    def probe(self, model: RealModel) -> int:
        """Ask for a host, and return the status that the model expected and the proxy told."""
        host = model.chance.choice(model.hosts)
        self._is_fresh = not self._is_fresh
        client = connect(self._stage.port) if self._is_fresh else self._kept
        client.send(get("/probe", host))
        head, body = client.receive_message(SECONDS_MAX)
        expected = model.expected(host)
        status = expected if isinstance(expected, int) else 200
        assert status_of(head) == status, (host, expected, head, body)
        if status == 200:
            assert body in model.bodies(host), (host, body)
        if self._is_fresh:
            client.close()
        elif b"\r\nConnection: close\r\n" in head:
            client.expect_end()
            client.close()
            self._stage.clients.remove(client)
            self._kept = self._stage.client()
        return status


def send(stage: LiveStage, model: RealModel) -> None:
    """Draw some orders, and send them one by one or as a batch."""
    if model.chance.random() < 0.7:
        for order in model.order():
            stage.command.order(message_of(order))
    else:
        orders = [order for _ in range(model.chance.randint(1, BATCHED)) for order in model.order()]
        stage.command.batch(map(message_of, orders))


def expect_listener(model: RealModel) -> None:
    """The listener that comes and goes is there, or its port is free."""
    port = model.other.port
    if model.is_active:
        with connect(port) as client:
            client.send(get("/"))
            expect_answer(client, 404)
    else:
        assert is_refused(port)


def hold(stage: LiveStage) -> Iterator[Held]:
    """Put clients in the middle of something."""
    (backend,) = stage.backends
    for number in range(EACH):
        for kind in KINDS:
            yield kind(stage.client(), backend)
            if number < EACH_OVER_TLS:
                yield kind(stage.tls_client(), backend)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("seed", "workers"), [(1, 0), (2, 0), (3, 2)])
def test_nobody_is_disturbed_by_what_does_not_concern_him(
    tmp_path: Path, seed: int, workers: int
) -> None:
    with (
        ReservedPort() as other,
        Crowd(RealModel.backend_names()) as crowd,
        LiveStage(tmp_path, 1, top=f"worker_count = {workers}") as stage,
    ):
        held = list(hold(stage))
        model = RealModel(random.Random(seed), stage.port, other.port, crowd)
        clients = Clients(stage)
        statuses = set()
        for number in range(ORDERS):
            send(stage, model)
            statuses.add(clients.probe(model))
            expect_listener(model)
            one = held[number % len(held)]
            one.check()
            one.exchange()
        assert statuses == {200, 401, 404, 503}
        for each in held:
            each.check()
            each.exchange()
            each.end()
        # What is removed leaves nothing behind, which is looked at when the stage is left.
        if model.has_other:
            stage.command.remove_listener(str(model.other))
        for name in model.clusters:
            stage.command.remove_cluster(name)
        wait_until(lambda: crowd.connections == 0, "no connection to a removed backend")
