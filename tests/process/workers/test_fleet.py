"""The fleet as a whole: real links, members and workers; only the kernel and time are played."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    Position,
)
from sozutw.config.requests import (
    ActivateListener,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsListener,
    DeactivateListener,
    RemoveCluster,
    RemoveListener,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.policy import HARD_SECONDS, LATE_SECONDS, CannotReplaceError
from tests.e2e.harness import ReservedPort
from tests.fakes.certificates import EXPIRED, chained, expired, leaf
from tests.fakes.fleet import FleetWorld, worlds

HASHES = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    yield from worlds(monkeypatch, timeout=3.0, hang_timeout=9.0)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    """Where ``worker_timeout`` is 0."""
    yield from worlds(monkeypatch, timeout=0.0, hang_timeout=0.0)


@pytest.fixture
def unwilling(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    """Where ``worker_automatic_restart`` is false."""
    yield from worlds(monkeypatch, restarts=False)


@pytest.fixture
def port() -> Iterator[int]:
    with ReservedPort() as reserved:
        yield reserved.port


def outcome(deferred: Any) -> list[Any]:
    heard: list[Any] = []
    deferred.addCallbacks(heard.append, lambda why: heard.append(why.value))
    return heard


def add(name: str) -> AddCluster:
    return AddCluster(Cluster(name))


# What is left of a listener that went is there again when it comes back, in who came meanwhile too.


def test_rules_that_outlive_their_listener_are_known_to_who_comes(world, port):
    at = InetAddress("127.0.0.1", port)
    rule = FrontendRule(at, "a.example", position=Position.TREE, cluster_id="a")
    secure = HttpsListener(HttpListener(InetAddress("127.0.0.1", 1)))
    held = chained(leaf("a.example"))
    world.applier._certificates._now = EXPIRED.timestamp
    world.apply(add("a"), AddHttpListener(HttpListener(at)), AddHttpFrontend(rule))
    world.apply(AddHttpsListener(secure), AddCertificate(secure.address, held))
    world.begin()
    world.apply(
        RemoveListener(at, ListenerKind.HTTP), RemoveListener(secure.address, ListenerKind.HTTPS)
    )
    world.settle()
    world.process(0).kill()
    world.settle()
    world.apply(AddHttpListener(HttpListener(at)), AddHttpsListener(secure))
    world.settle()
    world.assert_all_agree()


# What expires while a main process lives is served on by those that had it, and by who comes.


def test_a_certificate_that_has_expired_meanwhile_keeps_no_worker_from_coming(world, port):
    at = InetAddress("127.0.0.1", port)
    own, other = chained(expired("own.example")), chained(expired("other.example"))
    world.applier._certificates._now = lambda: EXPIRED.timestamp() - 1.0
    secure = HttpsListener(HttpListener(at), certificate=own)
    world.apply(
        AddHttpsListener(secure),
        AddCertificate(at, other),
        ActivateListener(at, ListenerKind.HTTPS),
    )
    world.begin()
    world.assert_all_agree()
    served = world.process(0).traffic.certificates
    assert [one.names for one in served.shown(at, "other.example")] == [("other.example",)]
    assert [one.names for one in served.shown(at, "x.example")] == [("own.example",)]


# It starts.


def test_all_serve_what_the_main_process_has(world):
    world.apply(add("a"))
    started = outcome(world.fleet.start())
    assert world.fleet.roster.serving == 0
    world.settle()
    assert started == [None]
    assert world.fleet.roster.serving == 0
    world.fleet.serve()
    world.settle()
    assert world.fleet.roster.serving == 2
    world.assert_all_agree()
    world.apply(add("b"))
    world.settle()
    world.assert_all_agree()
    assert world.log == []


def test_it_has_started_when_the_last_could_serve(world):
    started = outcome(world.fleet.start())
    world.forks.answer()
    first = world.process(0)
    for _ in range(30):
        first.line.other.deliver()
        first.line.deliver()
        world.clock.turn()
    assert world.member(0).confirmed == world.member(0).applied == 0
    assert not started
    world.settle()
    assert started == [None]


def test_one_that_dies_before_all_serve_is_begun_anew_in_any_case(unwilling):
    world = unwilling
    started = outcome(world.fleet.start())
    world.fork_all()
    world.process(0).kill()
    world.settle()
    assert started == [None]
    world.fleet.serve()
    world.assert_all_agree()


# Changes.


def test_settled_waits_for_all(world):
    world.begin()
    assert outcome(world.fleet.settled()) == [[]]
    world.apply(add("a"))
    heard = outcome(world.fleet.settled())
    assert not heard
    world.settle()
    assert heard == [[]]


def test_a_change_that_comes_while_one_loads_is_told_to_it_too(world):
    world.begin()
    world.process(1).kill()
    world.clock.turn()
    world.step()
    world.apply(add("a"))
    world.settle()
    world.assert_all_agree()


def test_settled_does_not_wait_for_those_that_load(world):
    world.begin()
    world.process(1).kill()
    world.process(1).line.other.hear_the_end()
    world.apply(add("a"))
    heard = outcome(world.fleet.settled())
    process = world.process(0)
    process.line.other.deliver()
    for _ in range(5):
        world.clock.turn()
        process.line.other.deliver()
        process.line.deliver()
    assert heard == [[]]


def test_one_that_cannot_apply_a_change_is_told_and_replaced(world):
    world.begin()
    old = world.process(1)
    old.fail_next_change("no luck")
    world.apply(add("a"))
    heard = outcome(world.fleet.settled())
    world.settle()
    assert heard == [["worker 1: no luck"]]
    assert world.process(1) is not old
    assert not old.is_alive
    assert old.status == 0
    world.assert_all_agree()
    assert world.log == [("came", 1)]
    assert outcome(world.fleet.settled()) == [[]]


def test_one_that_lacks_an_earlier_change_is_told_as_long_as_it_serves(world):
    world.begin()
    world.process(1).fail_next_change("no luck")
    world.apply(add("a"))
    # Nobody forks: the old one serves on.
    for _ in range(9):
        for process in world.alive():
            process.line.other.deliver()
            process.line.deliver()
        world.clock.turn()
    world.apply(add("b"))
    heard = outcome(world.fleet.settled())
    world.settle()
    assert heard == [["worker 1: no luck; it is being replaced"]]
    world.assert_all_agree()


def test_one_that_dies_with_a_change_is_told(world):
    world.begin()
    world.apply(add("a"))
    heard = outcome(world.fleet.settled())
    world.process(0).kill()
    world.settle()
    assert heard == [["worker 0: its channel closed"]]
    world.assert_all_agree()
    assert world.log == [("died", 0), ("came", 0)]


def test_the_new_one_is_waited_for_in_the_place_of_the_old_one(world):
    world.begin()
    outcome(world.fleet.replace(0))
    old = world.process(0)
    world.forks.answer()
    new = world.processes[world.slot(0).coming.pid]
    world.apply(add("a"))
    heard = outcome(world.fleet.settled())
    old.is_frozen = True
    # All but the change, which is the last.
    new.line.other.deliver(len(new.line.other.outbox) - 1)
    for _ in range(40):
        world.clock.turn()
        new.line.deliver()
        if world.member(0).pid == new.pid:
            break
    assert world.member(0).confirmed < 1
    world.process(1).line.other.deliver()
    assert not heard
    for _ in range(9):
        for process in (new, world.process(1)):
            process.line.other.deliver()
            process.line.deliver()
        world.clock.turn()
    assert heard == [[]]
    old.is_frozen = False


def test_those_that_cannot_be_told_are_replaced(world, monkeypatch):
    world.begin()
    world.process(1).kill()
    world.process(1).line.other.hear_the_end()
    before = {world.member(0).pid}

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch, capturedLogs():
        patch.setattr("sozutw.process.workers.batches.Batch", full)
        world.apply(add("a"))
        heard = outcome(world.fleet.settled())
    why = "it could not be told of a change: [Errno 24] Too many open files"
    assert heard == [[f"worker 0: {why}; it is being replaced"]]
    world.pass_time(5)
    assert world.member(0).pid not in before
    world.assert_all_agree()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    """Where ``worker_hang_timeout`` is 0, and few changes are kept for who is silent."""
    monkeypatch.setattr("sozutw.process.workers.fleet.BEHIND_MAX", 5)
    yield from worlds(monkeypatch, timeout=3.0, hang_timeout=0.0)


def test_not_without_end_is_kept_for_one_that_hangs_and_is_never_killed(patient):
    patient.begin()
    old, process = patient.member(0), patient.process(0)
    process.is_frozen = True
    for number in range(8):
        patient.apply(add(f"early {number}"))
    assert old.behind == 8, "it may only be slow"
    patient.pass_time(5)
    assert old.behind == 8
    with capturedLogs():
        patient.apply(add("late"), add("later"))
        heard = outcome(patient.fleet.settled())
        patient.apply(add("last"))
        patient.settle()
    assert old.behind == 8
    assert heard == [
        ["worker 0: it does not answer, and is 8 changes behind; it is being replaced"]
    ]
    assert process.is_alive
    assert patient.member(0) is not old
    patient.assert_all_agree()


def test_one_that_hangs_while_it_loads_makes_room_when_too_much_is_kept_for_it(patient):
    patient.begin()
    patient.fleet.replace(0).addErrback(lambda _: None)
    patient.forks.answer().is_frozen = True
    hanging = patient.slot(0).coming
    patient.pass_time(5)
    with capturedLogs():
        for number in range(8):
            patient.apply(add(str(number)))
    assert hanging.behind == 5
    patient.settle()
    assert patient.slot(0).coming is None
    patient.assert_all_agree()


def test_settings_hold_in_those_that_were_begun_before(world):
    world.begin()
    world.process(1).kill()
    world.process(1).line.other.hear_the_end()
    settings = type(world.settings)
    world.settings = settings(
        access_logs_target="file:///dev/null", max_connections=10, replay=False
    )
    # Those that load are told when they could serve; nobody tells them meanwhile.
    world.settle()
    assert world.process(1).traffic.knobs.replays is False
    assert world.process(0).traffic.knobs.replays is True
    world.fleet.take_settings(world.settings)
    world.settle()
    assert world.process(0).traffic.knobs.replays is False


def test_what_a_command_turned_meanwhile_holds_in_those_that_were_begun_before(world):
    world.begin()
    world.process(1).kill()
    world.process(1).line.other.hear_the_end()
    world.turned = [pb.Request(set_max_connections_per_ip=77)]
    world.settle()
    assert world.process(1).traffic.knobs.places_per_address == 77


def test_logs_are_reopened_in_all(world):
    world.begin()
    world.fleet.reopen_logs()
    world.settle()
    assert [one.worker._observer.reopened for one in world.alive()] == [1, 1]


# Listening sockets.


def test_workers_accept_at_what_is_active_and_no_more_when_it_is_not(world, port):
    at = InetAddress("127.0.0.1", port)
    world.apply(AddHttpListener(HttpListener(at)), ActivateListener(at, ListenerKind.HTTP))
    world.begin()
    world.assert_all_agree()
    assert world.process(0).traffic.accepting
    world.apply(DeactivateListener(at, ListenerKind.HTTP))
    world.apply(ActivateListener(at, ListenerKind.HTTP))
    world.settle()
    world.assert_all_agree()
    world.apply(DeactivateListener(at, ListenerKind.HTTP))
    world.settle()
    assert not world.process(0).traffic.accepting
    assert not world.sockets._parting, "all have closed it"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_hanging_worker_that_leaves_does_not_keep_a_listener_from_coming_back(world, port):
    at = InetAddress("127.0.0.1", port)
    world.apply(AddHttpListener(HttpListener(at)), ActivateListener(at, ListenerKind.HTTP))
    world.begin()
    old = world.process(0)
    old.is_frozen = True
    outcome(world.fleet.replace(0))
    world.settle()
    world.apply(DeactivateListener(at, ListenerKind.HTTP))
    world.settle()
    world.apply(ActivateListener(at, ListenerKind.HTTP))
    world.settle()
    world.assert_all_agree()


def test_what_was_active_before_the_start_is_told_once(world, port):
    at = InetAddress("127.0.0.1", port)
    world.apply(AddHttpListener(HttpListener(at)), ActivateListener(at, ListenerKind.HTTP))
    world.fleet.start()
    assert world.sockets.take_fresh() == {}
    world.settle()


def test_several_changes_with_sockets_may_wait_at_once(world, port, monkeypatch):
    monkeypatch.setattr(world.clock, "drift", 0.001)
    at = InetAddress("127.0.0.1", port)
    world.begin()
    world.apply(*(add(f"c{number}") for number in range(200)))
    world.apply(AddHttpListener(HttpListener(at)), ActivateListener(at, ListenerKind.HTTP))
    world.apply(add("last"))
    world.settle()
    world.assert_all_agree()
    assert world.log == []


# To replace one by another.


def test_replacing_one_that_is_not_there(world):
    world.begin()
    (error,) = outcome(world.fleet.replace(2))
    assert isinstance(error, CannotReplaceError)
    assert str(error) == "there is no worker 2"


def test_one_is_replaced(world):
    world.apply(add("a"))
    world.begin()
    old = world.process(0)
    heard = outcome(world.fleet.replace(0))
    world.settle()
    assert heard == [None]
    assert (old.is_alive, old.status) == (False, 0)
    world.assert_all_agree()


# It ends.


def drain_for_ever(world: FleetWorld) -> None:
    """Let each worker have a client that stays."""
    for process in world.alive():
        process.traffic.stop = Deferred


def test_a_soft_stop_ends_when_the_last_has(world):
    world.begin()
    gone = outcome(world.fleet.stop(is_hard=False, seconds=None))
    assert not gone
    world.settle()
    assert gone == [None]
    assert [one.status for one in world.processes.values()] == [0, 0]
    assert outcome(world.fleet.stop(is_hard=False, seconds=None)) == [None]
    assert world.log == []


def test_a_stop_before_anything_was_begun(monkeypatch):
    world = FleetWorld(monkeypatch)
    assert outcome(world.fleet.stop(is_hard=False, seconds=1.0)) == [None]
    assert not world.clock.getDelayedCalls()


def test_a_soft_stop_without_a_deadline_lasts(world):
    world.begin()
    drain_for_ever(world)
    gone = outcome(world.fleet.stop(is_hard=False, seconds=None))
    world.pass_time(60)
    assert not gone
    hard = outcome(world.fleet.stop(is_hard=True, seconds=None))
    world.pass_time(HARD_SECONDS - 0.5)
    assert not hard
    world.pass_time(1)
    assert gone == hard == [None]
    assert {one.status for one in world.processes.values()} == {-9}


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        ((False, 3.0), (False, 30.0), 3.0 + LATE_SECONDS),
        ((False, 30.0), (False, 3.0), 3.0 + LATE_SECONDS),
        ((True, None), (False, 30.0), HARD_SECONDS),
        ((False, 30.0), (True, None), HARD_SECONDS),
        ((True, None), (True, None), HARD_SECONDS),
    ],
)
def test_who_does_not_end_in_time_is_killed(world, first, second, seconds):
    world.begin()
    drain_for_ever(world)
    gone = [
        outcome(world.fleet.stop(is_hard=is_hard, seconds=deadline))
        for is_hard, deadline in (first, second)
    ]
    world.pass_time(seconds - 0.5)
    assert gone == [[], []]
    world.pass_time(1)
    assert gone == [[None], [None]]


def test_one_that_leaves_already_hears_of_the_deadline_of_a_stop(world):
    world.begin()
    old = world.process(0)
    cut: list[str] = []
    old.traffic.stop = Deferred
    sessions = old.traffic.worker.sessions
    sessions.drain_within = lambda seconds: cut.append(f"within {seconds}")
    outcome(world.fleet.replace(0))
    world.settle()
    assert old.is_alive
    world.fleet.stop(is_hard=False, seconds=4.0)
    world.settle()
    assert cut == ["within 4.0"]


def test_one_that_hangs_while_it_leaves_is_killed(world):
    world.begin()
    world.process(0).is_frozen = True
    gone = outcome(world.fleet.stop(is_hard=False, seconds=None))
    world.pass_time(8)
    assert not gone
    world.pass_time(3)
    assert gone == [None]


def test_a_stop_while_workers_load(world):
    started = outcome(world.fleet.start())
    world.forks.answer()
    world.step()
    gone = outcome(world.fleet.stop(is_hard=False, seconds=None))
    world.settle()
    assert gone == [None]
    assert not started
    assert not world.alive()


def test_a_stop_while_one_waits_for_its_turn(world):
    world.fleet.start()
    for _ in range(4):
        world.forks.asked.rotate(0)
        world.forks.refuse()
        world.clock.turn()
    replaced = outcome(world.fleet.replace(0))
    gone = outcome(world.fleet.stop(is_hard=False, seconds=None))
    world.settle()
    assert gone == [None]
    assert isinstance(replaced[0], CannotReplaceError)


def test_a_process_that_is_forked_after_the_stop_ends_too(world):
    world.fleet.start()
    world.fleet.stop(is_hard=False, seconds=None)
    world.clock.turn()
    world.settle()
    assert len(world.processes) == 2
    assert not world.alive()


def test_a_change_after_the_end_is_nobodys(world):
    world.begin()
    world.fleet.stop(is_hard=False, seconds=None)
    world.apply(add("late"), RemoveCluster("late"))
    world.settle()
    assert outcome(world.fleet.settled()) == [["no worker serves now; whoever comes has it"]]
