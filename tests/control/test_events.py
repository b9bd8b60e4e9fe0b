"""Who subscribes is told, whoever leaves is told no more, and the path of requests is heard."""

import pytest
from twisted.internet.defer import CancelledError, Deferred

from sozutw.balancing.backends import ClusterState
from sozutw.balancing.witness import Witness
from sozutw.config.model import Backend, Cluster, InetAddress, UnixAddress
from sozutw.control.channel.server import CLIENTS_MAX
from sozutw.control.desk import Actor
from sozutw.control.events import SUBSCRIBERS_MAX, Events, EventWitness
from sozutw.control.proto import command_pb2 as pb


def client(number: int = 1) -> Actor:
    return Actor(1000, 1000, 4000 + number, "sozutw", number)


class Subscriber:
    """A client, and what it was told."""

    def __init__(self, events: Events, number: int = 1) -> None:
        self.told: list[pb.Response] = []
        self.subscription = events.subscribe(self.told.append, client(number))
        self.answers: list[pb.Response] = []
        self.subscription.addCallback(self.answers.append)
        self.subscription.addErrback(lambda failure: failure.trap(CancelledError))

    def take(self) -> list[str]:
        told, self.told = self.told, []
        lines = []
        for response in told:
            assert response.status == pb.PROCESSING
            assert response.SerializeToString()  # No required field is missing.
            event = response.content.event
            address = f" {event.address.port}" if event.HasField("address") else ""
            whom = f"{event.cluster_id}/{event.backend_id}{address}"
            lines.append(f"{response.message} {pb.EventKind.Name(event.kind)} {whom}")
        return lines


def test_a_subscriber_is_told_of_its_own_subscription_and_of_all_that_follows() -> None:
    events = Events()
    subscriber = Subscriber(events)
    events.publish(pb.CLUSTER_ADDED, cluster_id="app", origin="main")
    events.publish(
        pb.BACKEND_DOWN, cluster_id="app", backend_id="b", address=InetAddress("127.0.0.1", 81)
    )
    assert subscriber.take() == [
        "main EVENTS_SUBSCRIBED /",
        "main CLUSTER_ADDED app/",
        "0 BACKEND_DOWN app/b 81",
    ]
    assert not subscriber.answers


def test_what_an_event_has_not_is_absent_from_it() -> None:
    events = Events()
    told: list[pb.Response] = []
    events.subscribe(told.append, client())
    (event,) = (response.content.event for response in told)
    for field in ("cluster_id", "backend_id", "address", "metric_detail"):
        assert not event.HasField(field)


def test_a_change_of_detail_is_told_with_what_it_was() -> None:
    events = Events()
    told: list[pb.Response] = []
    events.subscribe(told.append, client())
    change = pb.MetricDetailTransition(
        previous_effective=pb.DETAIL_CLUSTER,
        effective=pb.DETAIL_BACKEND,
        transition_kind="lease_set",
        client_id="top",
    )
    events.publish(pb.METRIC_DETAIL_CHANGED, metric_detail=change)
    assert told[1].content.event.metric_detail == change


def test_an_address_that_is_no_number_is_told_as_text() -> None:
    events = Events()
    told: list[pb.Response] = []
    events.subscribe(told.append, client())
    events.publish(pb.BACKEND_UP, address=UnixAddress("/run/app.sock"))
    assert told[1].content.event.address.other == "unix:/run/app.sock"


def test_a_subscriber_that_leaves_is_told_no_more_and_others_are() -> None:
    events = Events()
    one, other = Subscriber(events, 1), Subscriber(events, 2)
    assert one.take() == ["main EVENTS_SUBSCRIBED /"] * 2
    one.subscription.cancel()
    assert len(events) == 1
    events.publish(pb.STATE_SAVED, origin="main")
    assert one.take() == []
    assert other.take() == ["main EVENTS_SUBSCRIBED /", "main STATE_SAVED /"]
    assert not one.answers


def test_one_may_leave_while_it_is_told() -> None:
    events = Events()
    subscriptions: list[Deferred[pb.Response]] = []

    def leave(_: pb.Response) -> None:
        if subscriptions:
            subscriptions[0].cancel()

    subscriptions.append(events.subscribe(leave, client()))
    subscriptions[0].addErrback(lambda failure: failure.trap(CancelledError))
    other = Subscriber(events, 2)
    assert other.take() == ["main EVENTS_SUBSCRIBED /"]
    assert len(events) == 1


def test_there_are_so_many_subscribers_and_no_more() -> None:
    events = Events()
    subscribers = [Subscriber(events, number) for number in range(SUBSCRIBERS_MAX)]
    refused = Subscriber(events, SUBSCRIBERS_MAX)
    (answer,) = refused.answers
    assert answer.status == pb.FAILURE
    assert answer.message == "32 clients subscribe to events already; end one of them first"
    assert refused.take() == []
    subscribers[0].subscription.cancel()
    assert Subscriber(events).take() == ["main EVENTS_SUBSCRIBED /"]


def test_nobody_is_told_when_nobody_listens() -> None:
    events = Events()
    events.publish(pb.CLUSTER_ADDED, cluster_id="app")
    assert len(events) == 0


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ("backend_gone_down", "0 BACKEND_DOWN app/b 81"),
        ("backend_come_up", "0 BACKEND_UP app/b 81"),
        ("backend_vacated", "0 REMOVED_BACKEND_HAS_NO_CONNECTIONS app/b 81"),
        ("backends_run_out", "0 NO_AVAILABLE_BACKENDS app/"),
        ("cluster_recovered", "0 CLUSTER_RECOVERED app/"),
    ],
)
def test_the_turns_on_the_path_of_requests_are_events(turn: str, expected: str) -> None:
    events = Events()
    subscriber = Subscriber(events)
    witness: Witness = EventWitness(events)
    cluster = ClusterState(Cluster("app"), witness=witness)
    backend = cluster.upsert(Backend("app", "b", InetAddress("127.0.0.1", 81)))
    getattr(witness, turn)(backend if turn.startswith("backend_") else cluster)
    assert subscriber.take()[1:] == [expected]


def test_subscribers_alone_keep_nobody_from_asking() -> None:
    assert SUBSCRIBERS_MAX < CLIENTS_MAX
