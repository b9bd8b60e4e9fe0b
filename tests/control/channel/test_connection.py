"""Tests of ``sozutw.control.channel.connection``."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sozutw.control.channel.connection import (
    BACKLOG_BYTES_MAX,
    INTERNAL_ERROR,
    LINGER_SECONDS,
    CommandConnection,
    Terms,
)
from sozutw.control.desk import Actor, Tell
from sozutw.control.orders import written
from sozutw.control.proto import command_pb2 as pb
from sozutw.wire.channel import FrameReader, frame

ACTOR = Actor(uid=1000, gid=1000, pid=42, command="sozu", client_id=7)
FRAME_BYTES_MAX = 2000
EVENT = pb.Response(status=pb.PROCESSING, message="main")
EVENT.content.event.kind = pb.BACKEND_UP


def framed(request: pb.Request) -> bytes:
    return frame(request.SerializeToString())


def ok(text: str) -> pb.Response:
    return pb.Response(status=pb.OK, message=text)


STATUS = framed(pb.Request(status=pb.Status()))
SUBSCRIBE = framed(pb.Request(subscribe_events=pb.SubscribeEvents()))


class SmallDesk:
    """Answers what it has an answer for at once, and the rest when it is told to."""

    def __init__(self) -> None:
        self.asked: list[pb.Request] = []
        self.actors: list[Actor] = []
        self.tells: list[Tell] = []
        self.pending: list[Deferred[pb.Response]] = []
        self.cancelled: list[Deferred[pb.Response]] = []
        self.answers: dict[str, object] = {}
        self.away: list[tuple[bytes, int, str]] = []

    def turned_away(self, message: bytes, actor: Actor, refusal: pb.Response) -> None:
        self.away.append((message, actor.uid, refusal.message))

    def serve(self, request: pb.Request, actor: Actor, tell: Tell) -> "Deferred[pb.Response]":
        self.asked.append(request)
        self.actors.append(actor)
        self.tells.append(tell)
        verb = request.WhichOneof("request_type") or ""
        answer = self.answers.get(verb)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return succeed(answer)  # type: ignore[arg-type]
        pending: Deferred[pb.Response] = Deferred(self.cancelled.append)
        self.pending.append(pending)
        return pending


class Place:
    """A connection on a transport in memory."""

    def __init__(self, allowed_uids: frozenset[int] | None = None) -> None:
        self.clock = Clock()
        self.desk = SmallDesk()
        self.transport = StringTransport()
        self.ended: list[CommandConnection] = []
        terms = Terms(self.clock, self.desk, allowed_uids, FRAME_BYTES_MAX)
        self.connection = CommandConnection(terms, lambda _: ACTOR, self.ended.append)
        self.connection.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    def turn(self) -> None:
        self.clock.advance(0)

    def lose(self) -> None:
        self.connection.connectionLost(Failure(ConnectionDone()))

    def responses(self) -> Iterator[pb.Response]:
        reader = FrameReader(10_000_000)
        reader.feed(self.transport.value())
        self.transport.clear()
        for message in iter(reader.take, None):
            yield pb.Response.FromString(message)
        assert len(reader) == 0

    def response(self) -> pb.Response:
        (response,) = self.responses()
        return response

    def refusal(self) -> str:
        response = self.response()
        assert response.status == pb.FAILURE
        return response.message

    @property
    def is_reading(self) -> bool:
        return self.transport.producerState == "producing"


class TestConversations(SynchronousTestCase):
    def test_a_request_is_answered(self) -> None:
        place = Place()
        place.send(STATUS)
        assert place.desk.asked == [pb.Request(status=pb.Status())]
        assert place.desk.actors == [ACTOR]
        place.desk.tells[0](pb.Response(status=pb.PROCESSING, message="asking"))
        place.desk.pending[0].callback(ok("done"))
        assert [(r.status, r.message) for r in place.responses()] == [
            (pb.PROCESSING, "asking"),
            (pb.OK, "done"),
        ]

    def test_while_a_request_is_served_nothing_is_read(self) -> None:
        place = Place()
        assert place.is_reading
        place.send(STATUS)
        assert not place.is_reading
        place.desk.pending[0].callback(ok("done"))
        assert place.is_reading

    def test_requests_in_one_write_are_answered_in_order_one_in_a_turn(self) -> None:
        place = Place()
        place.send(
            framed(written.remove_cluster("a")) + framed(written.remove_cluster("b")) + STATUS
        )
        for which in ("a", "b"):
            assert place.desk.asked[-1].remove_cluster == which
            assert place.clock.getDelayedCalls() == []
            place.desk.pending[-1].callback(ok(which))
            assert place.response().message == which
            assert not place.is_reading
            # Others have their turn in between.
            assert place.desk.asked[-1].remove_cluster == which
            place.turn()
        assert place.desk.asked[-1].WhichOneof("request_type") == "status"
        place.desk.pending[-1].callback(ok("c"))
        assert place.is_reading

    def test_thousands_of_requests_at_once_need_no_deep_stack(self) -> None:
        place = Place()
        place.desk.answers["status"] = ok("fine")
        place.send(STATUS * 5000)
        assert len(place.desk.asked) == 1
        assert not place.is_reading
        place.turn()
        assert place.is_reading
        assert len(list(place.responses())) == 5000

    def test_what_comes_while_one_is_served_is_kept(self) -> None:
        # A transport may deliver what it had read before it was paused.
        place = Place()
        place.send(STATUS[:5])
        assert place.desk.asked == []
        place.send(STATUS[5:])
        place.send(STATUS[:3])
        place.desk.pending[0].callback(ok("1"))
        place.send(STATUS[3:])
        assert len(place.desk.asked) == 1
        place.turn()
        assert len(place.desk.asked) == 2

    def test_word_of_progress_after_the_answer_is_dropped(self) -> None:
        place = Place()
        place.send(STATUS)
        place.desk.pending[0].callback(ok("done"))
        place.desk.tells[0](pb.Response(status=pb.PROCESSING, message="late"))
        assert [r.message for r in place.responses()] == ["done"]


class TestRefusals(SynchronousTestCase):
    def test_what_is_no_request_is_refused_and_the_connection_goes_on(self) -> None:
        place = Place()
        place.desk.answers["status"] = ok("fine")
        for message in (b"", b"\xff" * 20, b"\x22", b"\xc2\x01\x00", b"\x0a\x02\xff\xfe"):
            place.send(frame(message))
            assert place.refusal()
            assert place.desk.asked == []
        place.send(STATUS)
        assert place.response().message == "fine"

    def test_a_broken_length_is_refused_and_ends_the_connection(self) -> None:
        for length, text in (
            (7, "below 8"),
            (100_000_000, "100000000 bytes is above the maximum of 2000"),
        ):
            place = Place()
            place.send(STATUS + length.to_bytes(8, "little"))
            place.desk.pending[0].callback(ok("served"))
            place.turn()
            served, refused = place.responses()
            assert served.message == "served"
            assert refused.status == pb.FAILURE
            assert text in refused.message
            assert place.transport.disconnecting
            place.send(STATUS)
            assert len(place.desk.asked) == 1
            place.lose()
            assert place.clock.getDelayedCalls() == []

    def test_who_is_not_allowed_is_told_for_each_request(self) -> None:
        place = Place(frozenset({0, 1001}))
        for _ in range(2):
            place.send(STATUS)
            assert place.refusal() == "unauthorized: actor UID 1000 not in command_allowed_uids"
        assert [(one, uid) for one, uid, _ in place.desk.away] == [
            (pb.Request(status=pb.Status()).SerializeToString(), 1000)
        ] * 2
        # Not even read.
        place.send(frame(b"\xff"))
        assert place.refusal().startswith("unauthorized")
        assert place.desk.asked == []

    def test_who_is_allowed_is_served(self) -> None:
        place = Place(frozenset({1000}))
        place.send(STATUS)
        assert len(place.desk.asked) == 1

    def test_an_answer_that_is_too_long_says_so_and_what_to_ask_instead(self) -> None:
        place = Place()
        place.desk.answers["list_frontends"] = ok("x" * FRAME_BYTES_MAX)
        place.desk.answers["status"] = ok("x" * FRAME_BYTES_MAX)
        filters = pb.FrontendFilters(http=True, https=False, tcp=False)
        place.send(framed(pb.Request(list_frontends=filters)))
        assert place.refusal() == (
            "the answer to list_frontends has 2013 bytes, above the 2000 of"
            " max_command_buffer_size: ask for one kind, or for a domain"
        )
        place.send(STATUS)
        assert place.refusal().endswith("max_command_buffer_size: make that larger")

    def test_word_of_progress_that_is_too_long_is_dropped(self) -> None:
        place = Place()
        place.send(STATUS)
        place.desk.tells[0](pb.Response(status=pb.PROCESSING, message="x" * FRAME_BYTES_MAX))
        assert place.transport.value() == b""

    def test_a_fault_of_the_desk_is_an_internal_error_and_the_connection_lives(self) -> None:
        place = Place()
        answers: list[object] = [
            ZeroDivisionError("at once"),
            fail(ZeroDivisionError("later")),
            pb.Response(status=pb.PROCESSING, message="not the last"),
            pb.Response(status=pb.OK),
            "no response at all",
        ]
        for answer in answers:
            if isinstance(answer, Deferred):
                del place.desk.answers["status"]
                place.send(STATUS)
                place.desk.pending[-1].errback(ZeroDivisionError("later"))
                answer.addErrback(lambda _: None)
            else:
                place.desk.answers["status"] = answer
                place.send(STATUS)
            assert place.refusal() == INTERNAL_ERROR
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 2
        place.desk.answers["status"] = ok("fine")
        place.send(STATUS)
        assert place.response().message == "fine"


class TestSlowClients(SynchronousTestCase):
    def test_no_request_is_read_while_answers_are_not_fetched(self) -> None:
        place = Place()
        place.desk.answers["status"] = ok("fine")
        place.send(STATUS)
        place.connection.pauseProducing()  # The transport has no more room.
        place.send(STATUS * 2)
        assert len(place.desk.asked) == 2
        place.turn()
        assert len(place.desk.asked) == 2
        assert not place.is_reading
        place.connection.resumeProducing()
        place.turn()
        assert len(place.desk.asked) == 3
        assert place.is_reading

    def test_a_client_that_fetches_goes_on(self) -> None:
        place = Place()
        place.connection.pauseProducing()
        place.connection.resumeProducing()
        assert place.is_reading

    def test_drained_while_a_request_is_served_nothing_else_is_read(self) -> None:
        place = Place()
        place.send(STATUS * 2)
        place.connection.pauseProducing()
        place.connection.resumeProducing()
        place.turn()
        assert len(place.desk.asked) == 1
        assert not place.is_reading

    def test_progress_is_kept_from_a_client_that_lags_and_the_answer_is_not(self) -> None:
        place = Place()
        place.send(STATUS)
        place.connection.pauseProducing()
        said = pb.Response(status=pb.PROCESSING, message="x" * 1900)
        for _ in range(2 * BACKLOG_BYTES_MAX // 1900):
            place.desk.tells[0](said)
        assert len(place.transport.value()) < BACKLOG_BYTES_MAX + 2000
        place.desk.pending[0].callback(ok("done"))
        assert list(place.responses())[-1].message == "done"
        assert not place.transport.disconnected

    def test_a_subscriber_that_lags_is_disconnected(self) -> None:
        place = Place()
        place.send(SUBSCRIBE)
        tell = place.desk.tells[0]
        size = len(frame(EVENT.SerializeToString()))
        place.connection.pauseProducing()
        for _ in range(BACKLOG_BYTES_MAX // size + 1):
            tell(EVENT)
        assert not place.transport.disconnected
        with capturedLogs() as logged:
            for _ in range(3):
                tell(EVENT)
        (warning,) = logged
        assert warning["log_level"] == LogLevel.warn
        assert "does not fetch its events" in formatEvent(warning)
        assert place.transport.disconnected
        assert len(place.transport.value()) < BACKLOG_BYTES_MAX + 2 * size
        # Not while the desk tells, which may be walking through its subscribers.
        assert place.desk.cancelled == []
        place.lose()
        assert place.desk.cancelled == place.desk.pending

    def test_a_subscriber_that_fetches_in_time_stays(self) -> None:
        place = Place()
        place.send(SUBSCRIBE)
        size = len(frame(EVENT.SerializeToString()))
        for _ in range(3):
            place.connection.pauseProducing()
            for _ in range(BACKLOG_BYTES_MAX // size):
                place.desk.tells[0](EVENT)
            place.transport.clear()
            place.connection.resumeProducing()
        assert not place.transport.disconnected

    def test_whose_connection_ends_has_some_time_to_fetch_the_last_answer(self) -> None:
        place = Place()
        place.connection.finish()
        assert place.transport.disconnecting
        assert not place.transport.disconnected
        place.clock.advance(LINGER_SECONDS)
        assert place.transport.disconnected


class TestEnds(SynchronousTestCase):
    def test_a_subscription_is_cancelled_when_the_client_leaves(self) -> None:
        place = Place()
        place.send(SUBSCRIBE)
        assert place.is_reading  # Else its end would go unnoticed.
        place.desk.tells[0](EVENT)
        assert place.response() == EVENT
        place.lose()
        assert place.desk.cancelled == place.desk.pending
        assert place.ended == [place.connection]
        place.desk.tells[0](EVENT)
        assert place.transport.value() == b""

    def test_a_subscriber_that_says_no_more_has_left(self) -> None:
        place = Place()
        place.send(SUBSCRIBE)
        place.connection.readConnectionLost()
        assert place.transport.disconnecting

    def test_what_a_subscriber_says_is_dropped(self) -> None:
        place = Place()
        place.send(SUBSCRIBE)
        for _ in range(1000):
            place.send(b"x" * 65536)
        assert len(place.connection._reader) == 0
        assert len(place.desk.asked) == 1

    def test_a_subscription_that_is_refused_ends_the_connection(self) -> None:
        place = Place()
        place.send(SUBSCRIBE)
        place.send(STATUS)
        place.desk.pending[0].callback(pb.Response(status=pb.FAILURE, message="no"))
        assert place.refusal() == "no"
        assert place.transport.disconnecting

    def test_everything_else_goes_on_without_a_reader(self) -> None:
        place = Place()
        place.send(STATUS * 2)
        place.lose()
        assert place.desk.cancelled == []
        place.desk.tells[0](pb.Response(status=pb.PROCESSING, message="still"))
        place.desk.pending[0].callback(ok("done"))
        place.turn()
        assert place.transport.value() == b""
        assert len(place.desk.asked) == 1

    def test_a_failure_after_the_client_left_is_logged_all_the_same(self) -> None:
        place = Place()
        place.send(STATUS)
        place.lose()
        place.desk.pending[0].errback(ZeroDivisionError())
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1

    def test_a_desk_that_cancels_by_itself_is_at_fault(self) -> None:
        place = Place()
        place.send(STATUS)
        place.desk.pending[0].errback(CancelledError())
        assert place.refusal() == INTERNAL_ERROR
        assert len(self.flushLoggedErrors(CancelledError)) == 1

    def test_leaving_between_two_requests_leaves_no_call_behind(self) -> None:
        place = Place()
        place.desk.answers["status"] = ok("fine")
        place.send(STATUS * 2)
        assert place.clock.getDelayedCalls()
        place.lose()
        assert not place.clock.getDelayedCalls()

    def test_who_says_no_more_gets_the_answers_to_all_that_was_asked(self) -> None:
        place = Place()
        place.send(STATUS * 2)
        place.connection.readConnectionLost()
        assert not place.transport.disconnecting
        place.desk.pending[0].callback(ok("1"))
        place.connection.readConnectionLost()
        place.turn()
        assert not place.transport.disconnecting
        place.desk.pending[1].callback(ok("2"))
        assert [r.message for r in place.responses()] == ["1", "2"]
        assert place.transport.disconnecting

    def test_half_a_message_and_then_no_more_is_an_end(self) -> None:
        place = Place()
        place.desk.answers["status"] = ok("fine")
        place.send(STATUS[:-1])
        place.connection.readConnectionLost()
        assert place.transport.disconnecting
        # Or behind a whole one.
        place = Place()
        place.send(STATUS + STATUS[:-1])
        place.connection.readConnectionLost()
        place.desk.pending[0].callback(ok("fine"))
        place.turn()
        assert place.response().message == "fine"
        assert place.transport.disconnecting

    def test_told_to_finish_it_finishes_what_is_under_way(self) -> None:
        place = Place()
        place.send(STATUS * 2)
        place.connection.finish()
        assert not place.transport.disconnecting
        place.desk.pending[0].callback(ok("done"))
        assert place.response().message == "done"
        assert place.transport.disconnecting
        place.turn()
        assert len(place.desk.asked) == 1
        place.connection.finish()

    def test_told_to_finish_between_two_requests_it_ends(self) -> None:
        place = Place()
        place.desk.answers["status"] = ok("fine")
        place.send(STATUS * 3)
        place.connection.finish()
        assert place.transport.disconnecting
        place.turn()
        assert len(place.desk.asked) == 1

    def test_told_to_finish_a_subscriber_is_sent_away(self) -> None:
        place = Place()
        place.send(SUBSCRIBE)
        place.connection.finish()
        assert place.transport.disconnecting

    def test_the_transport_s_other_calls_change_nothing(self) -> None:
        place = Place()
        place.connection.stopProducing()
        place.connection.writeConnectionLost()
        assert place.is_reading

    def test_it_is_idle_while_nothing_is_asked(self) -> None:
        place = Place()
        place.clock.advance(5)
        assert place.connection.idle_seconds == 5
        place.send(STATUS[:9])
        assert place.connection.idle_seconds == 5
        place.send(STATUS[9:] + STATUS)
        place.clock.advance(5)
        assert place.connection.idle_seconds == 0
        place.desk.pending[0].callback(ok("done"))
        assert place.connection.idle_seconds == 0
        place.turn()
        place.desk.pending[1].callback(ok("done"))
        assert place.connection.idle_seconds == 0
        place.clock.advance(2)
        assert place.connection.idle_seconds == 2


@given(st.lists(st.sampled_from("abc"), max_size=6), st.data())
def test_however_the_bytes_are_cut_the_answers_are_the_same(
    asked: list[str], data: st.DataObject
) -> None:
    place = Place()
    place.desk.answers["remove_cluster"] = ok("removed")
    stream = b"".join(framed(written.remove_cluster(each)) for each in asked)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10).map(sorted))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        place.send(stream[start:end])
        while place.clock.getDelayedCalls():
            place.turn()
    assert [each.remove_cluster for each in place.desk.asked] == asked
    assert len(list(place.responses())) == len(asked)
