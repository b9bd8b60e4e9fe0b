"""
Anything may happen to workers at any time, and in the end all serve what the main process has.

A seed draws what happens: orders, deaths, hangs, refusals, failed forks, replacements, bytes that
arrive in small portions. After each step the invariants are swept. A failure names its seed.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sozutw.config.model import HttpListener, InetAddress
from sozutw.config.requests import AddHttpListener
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers import batch as batch_module
from tests.e2e.harness import ReservedPort
from tests.fakes.fleet import FakeProcess, FleetWorld, Line, open_descriptors
from tests.fakes.live_model import Model

SEEDS = int(os.environ.get("SOZUTW_SEEDS", "150"))
BLOCKS = 10
STEPS = 120
AT = InetAddress("10.0.0.1", 80)


class Story:
    """What happens by one seed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seed: int, port: int) -> None:
        self.chance = chance = random.Random(seed)
        self.world = FleetWorld(
            monkeypatch,
            workers=chance.randint(1, 3),
            drift=chance.choice([0.0, 0.001]),
            timeout=chance.choice([0.0, 2.0, 5.0]),
            hang_timeout=chance.choice([6.0, 12.0]),
        )
        self.model = Model(chance, AT, InetAddress("127.0.0.1", port))
        self.waiting: list[Deferred[Any]] = []
        self.is_serving = False
        self.world.apply(AddHttpListener(HttpListener(AT)))
        for _ in range(chance.randint(0, 30)):
            self.order()
        self.waiting.append(self.world.fleet.start())

    def order(self) -> None:
        self.world.apply(*self.model.order())

    def happen(self) -> None:
        """Let one thing happen."""
        chance, world = self.chance, self.world
        kinds: dict[Any, int] = {
            self.order: 8,
            self.deliver: 30,
            world.clock.turn: 15,
            self.time_goes_on: 4,
            self.fork: 6,
            self.refuse_fork: 1,
            self.die: 2,
            self.hang: 1,
            self.go_on: 3,
            self.fail: 1,
            self.tell_end: 4,
            self.replace: 2,
            self.settled: 3,
            self.ask: 3,
            self.settings: 1,
            self.serve: 2,
            self.be_cut: 1,
            self.be_full_of_files: 1,
            world.step: 4,
        }
        chance.choices(list(kinds), list(kinds.values()))[0]()
        world.fleet.check_invariants()

    # What may happen.

    def lines(self) -> list[Line]:
        return [
            line
            for process in self.world.processes.values()
            for line in (process.line, process.line.other)
            if not process.is_frozen or line is process.line
        ]

    def deliver(self) -> None:
        lines = self.lines()
        if lines:
            line = self.chance.choice(lines)
            line.deliver(self.chance.choice([1, 2, 1000]))
            line.hear_the_end()

    def time_goes_on(self) -> None:
        self.world.clock.rightNow += self.chance.choice([0.1, 0.5, 1.0, 3.0])
        self.world.clock.turn()

    def fork(self) -> None:
        if self.world.forks.asked:
            self.world.forks.answer()

    def refuse_fork(self) -> None:
        if self.world.forks.asked:
            self.world.forks.refuse()

    def any_process(self) -> FakeProcess | None:
        alive = self.world.alive()
        return self.chance.choice(alive) if alive else None

    def die(self) -> None:
        if process := self.any_process():
            process.kill()

    def hang(self) -> None:
        if process := self.any_process():
            process.is_frozen = True

    def go_on(self) -> None:
        if process := self.any_process():
            process.is_frozen = False

    def fail(self) -> None:
        process = self.any_process()
        if process and process.traffic is not None:
            process.fail_next_change()

    def tell_end(self) -> None:
        for process in self.world.processes.values():
            if not process.is_alive and not process.is_told:
                self.world.tell_end(process)
                return

    def be_cut(self) -> None:
        """Its channel breaks, and it does not notice for a while."""
        if process := self.any_process():
            process.line.other.abortConnection()

    def be_full_of_files(self) -> None:
        """For a while the main process has no descriptors left for a channel."""
        self.world.adopt_error = OSError("too many files") if self.chance.random() < 0.3 else None

    def replace(self) -> None:
        replaced = self.world.fleet.replace(self.chance.randrange(3))
        self.waiting.append(replaced.addErrback(lambda _why: None))

    def settled(self) -> None:
        self.waiting.append(self.world.fleet.settled())

    def ask(self) -> None:
        fleet = self.world.fleet
        question = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())
        self.waiting += [fleet.ask(question), fleet.count(), fleet.look()]

    def settings(self) -> None:
        settings = self.world.settings
        limit = settings.max_connections_per_ip + 1
        self.world.settings = type(settings)(
            access_logs_target="file:///dev/null", max_connections=10, max_connections_per_ip=limit
        )
        self.world.fleet.take_settings(self.world.settings)

    def serve(self) -> None:
        self.world.fleet.serve()

    # How it ends.

    def calm_down(self) -> None:
        """Nothing bad happens any more."""
        world = self.world
        world.adopt_error = None
        for process in world.alive():
            process.is_frozen = False
            if process.traffic is not None:
                vars(process.traffic.applier).pop("apply_slowly", None)
        world.fleet.serve()
        world.pass_time(130)

    def check_all_is_well(self) -> None:
        world = self.world
        world.assert_all_agree()
        assert all(deferred.called for deferred in self.waiting)
        for slot in world.fleet._slots:
            assert slot.coming is None
            assert not slot.leaving
            process = world.processes[slot.member.pid]
            assert process.traffic.knobs.places_per_address == (
                world.settings.max_connections_per_ip
            )
            assert not slot.member._unconfirmed
        assert len(world.alive()) == len(world.fleet._slots)
        assert len(world.kernel.pidfds) == len(world.fleet._slots)
        answers: list[Any] = []
        world.fleet.settled().addCallback(answers.append)
        assert answers == [[]]


@pytest.fixture
def port() -> Iterator[int]:
    with ReservedPort() as reserved:
        yield reserved.port


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "ORDERS_MAX", 3)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_in_the_end_all_serve_the_same(
    block: int, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(block, SEEDS, BLOCKS):
        before = open_descriptors()
        story = Story(monkeypatch, seed, port)
        try:
            for _ in range(story.chance.choice([10, 40, STEPS])):
                story.happen()
            if story.chance.random() < 0.7:
                story.calm_down()
                story.check_all_is_well()
            story.world.end()
            assert open_descriptors() == before
            assert all(deferred.called for deferred in story.waiting[1:])
        except BaseException:
            print(f"seed {seed}")
            raise
