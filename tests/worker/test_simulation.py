"""
A whole worker under a life of its own: clients, backends, time and an operator, from a seed.

Each client gets answers to its own requests only, in order, each body whole or visibly cut;
no request that may not be sent twice reaches two backends; and the invariants hold after each
step. SOZUTW_SEEDS tells how many seeds, SOZUTW_SEED which one alone.
"""

import os
from random import Random
from typing import Any

import pytest

from sozutw.config.model import Cluster, HttpListener, LoadBalancing, Settings, Timeouts
from tests.fakes.worker import LISTENER, FakeWorld
from tests.worker.peers import OWN_STATUSES, Asked, Backend, Client, Said

STEPS = 160
NAMES = "ABCD"
BLOCKS = 15
"""Seeds are run in so many tests."""
SEEDS = int(os.environ.get("SOZUTW_SEEDS", "300"))
ONLY = os.environ.get("SOZUTW_SEED")


class Life:
    """One seed's life."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.is_rough = rng.random() < 0.8
        self.steps: list[str] = []
        cluster = Cluster(
            "app", load_balancing=rng.choice(list(LoadBalancing)), sticky_session=seed % 5 == 0
        )
        timeouts = Timeouts(front=20.0, back=12.0, request=6.0, tunnel=40.0)
        self.world = FakeWorld(
            *NAMES[: rng.randint(1, 4)],
            settings=Settings(backend_idle_connections_max=rng.choice([0, 1, 256])),
            cluster=cluster,
            listener=HttpListener(LISTENER, timeouts=timeouts),
        )
        self.configured = {state.backend_id for state in self.world.states()}
        self.asked: dict[int, Asked] = {}
        self.said: dict[int, Said] = {}
        self.clients: list[Client] = []
        self.backends: list[Backend] = []
        self.events: list[tuple[int, Any]] = [
            (3, self.arrive),
            (12, self.client_asks),
            (25, self.client_sends),
            (20, self.dial_succeeds),
            (25, self.backend_sends),
            (6, self.loop_turns),
            (4, self.client_stops_taking),
            (6, self.client_takes),
            (2, self.backend_stops_taking),
            (4, self.backend_takes),
            (2, self.time_passes_shortly),
            (1, self.client_finishes),
        ]
        if self.is_rough:
            self.events += [
                (4, self.dial_fails),
                (2, self.backend_is_lost),
                (2, self.client_is_reset),
                (2, self.operator_changes_backends),
                (1, self.operator_changes_health),
                (1, self.time_passes_long),
            ]

    def chunked(self, body: bytes) -> bytes:
        """Cut a body into chunks."""
        data = b""
        while body:
            size = self.rng.randint(1, max(1, len(body)))
            data += b"%x\r\n%b\r\n" % (size, body[:size])
            body = body[size:]
        return data + b"0\r\n\r\n"

    def cut(self) -> int:
        """Return how many bytes arrive at once."""
        return self.rng.choice([1, 7, 100, 2000, 100_000])

    def run(self) -> None:
        """Live, come to rest, and account for everything."""
        weights = [weight for weight, _ in self.events]
        for _ in range(STEPS):
            self.world.chance.value = self.rng.random()
            (event,) = self.rng.choices(self.events, weights)
            self.steps.append(event[1].__name__)
            event[1]()
            self.check()
        self.come_to_rest()
        for client in self.clients:
            client.end.transport.drain()
            client.read()
            self.check_end_of(client)
        self.world.assert_baseline()

    def check(self) -> None:
        self.world.check()
        for backend in self.backends:
            backend.read()
        for client in self.clients:
            client.read()

    # The events; each does nothing if there is nobody for it.

    def one_of(self, things: list[Any]) -> Any:
        return self.rng.choice(things) if things else None

    def arrive(self) -> None:
        if sum(not client.is_gone for client in self.clients) < 5:
            self.clients.append(Client(self))

    def open_clients(self) -> list[Client]:
        return [c for c in self.clients if not c.end.is_closed and not c.has_finished]

    def open_backends(self) -> list[Backend]:
        return [backend for backend in self.backends if not backend.is_gone]

    def client_asks(self) -> None:
        client = self.one_of([c for c in self.open_clients() if not c.is_last_asked])
        if client is not None:
            client.ask()

    def client_sends(self) -> None:
        client = self.one_of([c for c in self.open_clients() if c.pending])
        if client is not None:
            client.send(self.cut())

    def dial_succeeds(self) -> None:
        dial = self.one_of(self.world.dials)
        if dial is not None:
            dialler = self.world.dialler
            end = dialler.complete(dialler.dials.index(dial))
            assert end is not None
            self.backends.append(Backend(self, self.world.name_of(dial), end))

    def dial_fails(self) -> None:
        dial = self.one_of(self.world.dials)
        if dial is not None:
            reason = OSError(24, "no descriptors") if self.rng.random() < 0.1 else None
            self.world.dialler.fail(self.world.dialler.dials.index(dial), reason)

    def backend_sends(self) -> None:
        backend = self.one_of(
            [
                b
                for b in self.open_backends()
                if b.out or b.then not in ("", "silence") or len(b.reader.messages) > b.answered
            ]
        )
        if backend is None:
            return
        if not backend.out and not backend.then and len(backend.reader.messages) > backend.answered:
            backend.answer()
        if backend.out or backend.then:
            backend.send(self.cut())

    def backend_is_lost(self) -> None:
        backend = self.one_of(self.open_backends())
        if backend is None:
            return
        if self.rng.random() < 0.5:
            for serial in range(1, len(self.said) + 1):
                said = self.said[serial]
                if b"X-Serial: %d\r\n" % serial in backend.out:
                    said.is_whole = False
            backend.out = b""
            # A response until the close would look whole, and be so for all that we know.
            backend.end.reset_by_peer()
        elif not (backend.out or backend.then) and (
            len(backend.reader.messages) == backend.answered
        ):
            backend.end.hang_up()

    def loop_turns(self) -> None:
        self.world.turn()

    def client_stops_taking(self) -> None:
        client = self.one_of([c for c in self.clients if not c.is_gone])
        if client is not None:
            client.end.transport.stop_taking()

    def client_takes(self) -> None:
        client = self.one_of([c for c in self.clients if not c.is_gone])
        if client is not None:
            client.end.transport.drain()

    def backend_stops_taking(self) -> None:
        backend = self.one_of(self.open_backends())
        if backend is not None:
            backend.end.stop_taking()

    def backend_takes(self) -> None:
        backend = self.one_of(self.open_backends())
        if backend is not None:
            backend.end.drain()

    def client_finishes(self) -> None:
        client = self.one_of([c for c in self.open_clients() if not c.pending])
        if client is not None:
            client.has_finished = True
            client.end.transport.hang_up()

    def client_is_reset(self) -> None:
        client = self.one_of([c for c in self.clients if not c.is_gone])
        if client is not None:
            client.read()
            client.was_reset = client.has_finished = True
            client.end.transport.reset_by_peer()

    def operator_changes_backends(self) -> None:
        name = self.rng.choice(NAMES)
        if name in self.configured:
            self.configured.remove(name)
            self.world.remove_backend(name)
        else:
            self.configured.add(name)
            self.world.add_backend(name)

    def operator_changes_health(self) -> None:
        state = self.one_of(list(self.world.states()))
        if state is not None:
            state.set_health(self.rng.random() < 0.5)

    def time_passes_shortly(self) -> None:
        self.world.clock.advance(self.rng.choice([0.01, 0.25, 1.0]))

    def time_passes_long(self) -> None:
        self.world.advance(self.rng.choice([3.5, 13.0, 21.0]))

    # The end.

    def come_to_rest(self) -> None:
        """Nobody says anything new; what is under way ends by itself, or in time."""
        for client in self.clients:
            client.end.transport.drain()
        for backend in self.open_backends():
            backend.end.drain()
        for _ in range(400):
            self.world.advance(1)
            self.check()
            if not self.world.worker.counters.active_requests:
                break
        else:
            raise AssertionError("a request waits for ever")
        self.world.advance(30)  # Lingering and idle clients are closed.
        self.check()
        assert len(self.world.worker.sessions) == 0

    def check_end_of(self, client: Client) -> None:
        """Whatever this client got is whole, or visibly cut."""
        transport = client.end.transport
        assert transport.disconnected
        if client.was_reset:
            return
        if transport.is_write_closed or not transport.is_aborted:
            client.reader.end()  # The client has seen our FIN.
            client.read()
        messages = client.reader.messages
        if messages and not messages[-1].is_complete and not client.reader.is_raw:
            assert transport.is_aborted, "cut, and closed as if it were whole"
            if messages[-1].ends_with_close:
                assert transport.is_reset, "a cut that cannot be told from an end"
        if not self.is_rough and not client.pending:
            finals = [m for m in messages if m.status >= 200 or m.status == 101]
            assert all(m.status not in OWN_STATUSES - {504, 408} for m in finals), [
                m.start for m in finals
            ]


def run_seed(seed: int) -> Life:
    """Run one seed; its number and its steps are told with a failure."""
    life = Life(seed)
    try:
        life.run()
    except BaseException as fault:
        fault.add_note(f"SOZUTW_SEED={seed}, after: {', '.join(life.steps[-12:])}")
        raise
    return life


@pytest.mark.parametrize("block", range(1 if ONLY else BLOCKS))
@pytest.mark.timeout(600)
def test_a_worker_survives_whatever_its_peers_do(block: int) -> None:
    seeds = [int(ONLY)] if ONLY else range(block, SEEDS, BLOCKS)
    statuses: set[int] = set()
    for seed in seeds:
        life = run_seed(seed)
        statuses |= {record.status for record in life.world.records}
    if len(seeds) > 10:
        assert {0, 200} <= statuses  # It was no life without events.


def test_a_seed_lives_the_same_life_twice() -> None:
    first, second = run_seed(1), run_seed(1)
    assert first.steps == second.steps
    assert first.world.outcomes() == second.world.outcomes()
