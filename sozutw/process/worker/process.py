"""
A worker from its fork to its end: what it is told on its channel, and what it does of it.

``process.workers.member`` is the other side, and LIFECYCLE.md there tells how they go together.
"""

import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.config.model import BackendAddress, InetAddress
from sozutw.config.requests import Request
from sozutw.config.settings_text import settings_from
from sozutw.config.state import RefusedRequestError
from sozutw.control.events import EventWitness, event_message
from sozutw.control.messages.addresses import address_of
from sozutw.control.messages.translate import request_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import failure
from sozutw.control.slowly import Slowly
from sozutw.listen.shares import Share
from sozutw.listen.sockets import adopt
from sozutw.metrics.transfer import chunks_of
from sozutw.process.counts import as_json
from sozutw.process.live_settings import LiveSettings
from sozutw.process.logs.log import begin_logging, make_observer, set_log_filter
from sozutw.process.run import calm_collector, choose_reactor
from sozutw.process.system.titles import set_title
from sozutw.process.traffic import Traffic
from sozutw.process.worker.channel import Channel
from sozutw.process.workers.member import CHANNEL_VERSION
from sozutw.process.zygote.blanks import Blanks

ANSWER_BYTES_MAX: Final = 30 * 1024 * 1024
"""What ``process.workers.link`` takes."""
EX_CONFIGURATION: Final = 5
"""The exit status of a worker that could not take the configuration."""
LAST_SECONDS: Final = 0.5
"""How long it may take to write its last lines when the main process is gone."""

_log = Logger()


def serve(channel: socket.socket, blanks: Blanks, share: Share | None) -> int:
    """Serve until the main process says otherwise or is gone; return the exit status."""
    reactor = choose_reactor()
    worker = WorkerProcess(reactor, blanks, share)
    channel.setblocking(False)
    with channel:
        factory = Factory.forProtocol(lambda: worker.channel)
        factory.noisy = False
        reactor.adoptStreamConnection(channel.fileno(), socket.AF_UNIX, factory)
    # Ctrl-C in a terminal reaches all processes, and the main process tells what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(worker.stop_asked))
    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(worker.report_counters))
    reactor.run(installSignalHandlers=False)
    return worker.status


class WorkerProcess:
    """What a worker is: its traffic, and what it does of what it is told."""

    def __init__(self, reactor: Any, blanks: Blanks, share: Share | None = None) -> None:
        self._reactor = reactor
        self._share = share
        self._blanks = blanks
        self.channel = Channel(self._received, self._main_lost)
        self.status = 0
        self._traffic: Traffic | None = None
        self._live: LiveSettings | None = None
        self._desk: Any = None
        self._slowly = Slowly(reactor)
        self._observer: Any = None
        self._survives = False
        self._is_stopping = False
        self._grace_seconds = 0.0
        self._sockets: dict[InetAddress, socket.socket] = {}
        self._entries: dict[InetAddress, int] = {}
        self._parts: list[pb.Request] = []
        self._changes: deque[tuple[int, list[pb.Request]]] = deque()
        self._is_applying = False
        self._is_ended = False

    def _received(self, word: words.ToWorker) -> None:
        kind = word.WhichOneof("word") or ""
        hear = self._HEARD.get(kind)
        if hear is None:
            _log.warn("a word of the main process is not known here")
        else:
            hear(self, getattr(word, kind))

    # It begins.

    def _begin(self, told: words.Beginning) -> None:
        self.channel.say(begun=words.Begun(version=CHANNEL_VERSION, pid=os.getpid()))
        if told.version != CHANNEL_VERSION:
            return  # The main process ends this one when it has read that.
        settings = settings_from(told.settings)
        tag = f"WRK-{told.id:02}"
        set_title(f"sozutw: worker {told.id}")
        if told.HasField("processor"):
            os.sched_setaffinity(0, {told.processor})
        self._survives = told.survives_main
        self._grace_seconds = settings.graceful_shutdown_timeout
        observer = make_observer(
            self._reactor,
            settings.log_target,
            settings.log_level,
            tag=tag,
            is_colored=settings.log_colored,
        )
        begin_logging(observer)
        self._observer = observer
        self._traffic = traffic = Traffic(settings, self._reactor, told.listeners, tag=tag)
        traffic.listeners.hold()
        traffic.listeners.inherited = self._sockets
        traffic.listeners.binds = False
        if self._share is not None:
            traffic.listeners.share(self._share, traffic.worker.sessions.__len__)
        traffic.certificates.blank_for = self._blank_for
        traffic.watch_with(EventWitness(_ToMain(self.channel)))
        self._live = LiveSettings(settings, traffic.knobs)
        self._live.set_filter = partial(set_log_filter, observer)
        self._desk = traffic.make_desk(self._live.set_log_filter, lambda: self._is_stopping)

    def _blank_for(self, address: InetAddress) -> Any:
        number = self._entries.pop(address, None)
        return None if number is None else self._blanks.take(number)

    # What is configured.

    def _take_orders(self, told: words.Orders) -> None:
        for message in told.sockets:
            address = address_of(message)
            self._sockets[address] = adopt(self.channel.descriptors.popleft())
        for blank in told.blanks:
            self._entries[address_of(blank.address)] = blank.number
        self._parts += told.orders
        if told.is_last:
            parts, self._parts = self._parts, []
            self._changes.append((told.number, parts))
            self._apply_next()

    def _apply_next(self) -> None:
        if self._is_applying or not self._changes:
            return
        assert self._traffic is not None
        self._is_applying = True
        number, parts = self._changes.popleft()
        applied = self._traffic.applier.apply_slowly(_orders(parts))
        applied.addCallbacks(
            lambda _: self._applied(None, number), lambda why: self._applied(_why_not(why), number)
        )

    def _applied(self, error: str | None, number: int) -> None:
        self._is_applying = False
        assert self._traffic is not None
        # What was activated and taken away again within one change.
        self._traffic.close_unused()
        self._entries.clear()
        self.channel.say(applied=words.Applied(number=number, error=error))
        if error is not None:
            _log.error("a change cannot be applied here: {error}", error=error)
            if not self._traffic.worker.sessions.running:
                self.status = EX_CONFIGURATION
                self._end()
                return
        elif not self._traffic.worker.sessions.running:
            self._traffic.start()
            self._reactor.callLater(0, calm_collector)
        self._apply_next()

    # What it is told to do.

    def _serve(self, _word: bool) -> None:
        assert self._traffic is not None
        self._traffic.listeners.let_in()

    def _answer(self, question: words.Question) -> None:
        answered: Deferred[pb.Response] = self._desk.answer(question.content)
        answered.addCallback(self._tell_answer, question.id)

    def _tell_answer(self, response: pb.Response, number: int) -> None:
        if response.ByteSize() > ANSWER_BYTES_MAX:
            response = failure(f"the answer is too long: {response.ByteSize()} bytes")
        self.channel.say(answer=words.Answer(id=number, response=response))

    def _clear_counters(self, _word: bool) -> None:
        assert self._traffic is not None
        self._traffic.clear()

    def _take_settings(self, text: str) -> None:
        assert self._live is not None
        self._live.take(settings_from(text))

    def _tell_counters(self, number: int) -> None:
        def steps() -> Generator[None, None, None]:
            assert self._traffic is not None
            reports = yield from self._traffic.counts.gather()
            for piece in chunks_of(reports):
                self.channel.say(counters=words.Counters(id=number, piece=piece))
                yield
            self.channel.say(counters=words.Counters(id=number, piece=b""))

        self._slowly.run(steps()).addErrback(
            lambda fault: _log.failure("the counters could not be told", failure=fault)
        )

    def _pong(self, _word: bool) -> None:
        sessions = 0 if self._traffic is None else self._traffic.count_connections()
        self.channel.say(pong=words.Pong(sessions=sessions))

    def _reopen_logs(self, _word: bool) -> None:
        assert self._traffic is not None
        self._observer.writer.reopen()
        self._traffic.reopen_logs()

    def report_counters(self) -> None:
        """Write all counters of this worker to descriptor 1, as one line of JSON."""
        if self._traffic is not None:
            counted = self._slowly.run(self._traffic.counts.gather())
            counted.addCallback(lambda all_: os.write(1, as_json(all_).encode() + b"\n"))

    # It ends.

    def _stop(self, told: words.Stopping) -> None:
        if told.is_hard:
            self._stop_now()
        else:
            self.stop_softly(told.seconds if told.HasField("seconds") else None)

    def stop_asked(self) -> None:
        """Somebody sent a signal: whoever stops the service may tell all of its processes."""
        if self._is_stopping:
            self._stop_now()
        else:
            self.stop_softly(self._grace_seconds)

    def stop_softly(self, seconds: float | None) -> None:
        """Accept nobody, and end with the last client, or after so many seconds."""
        if self._is_stopping:
            return
        self._is_stopping = True
        if self._traffic is None:
            self._end()
            return
        self._traffic.worker.sessions.grace_seconds = seconds
        self._traffic.stop().addBoth(lambda _: self._end())

    def _stop_now(self) -> None:
        self.stop_softly(0.0)
        if self._traffic is not None:
            self._traffic.stop_now()

    def _main_lost(self) -> None:
        if self._is_ended or self._survives:
            if not self._is_ended:
                _log.warn("the main process is gone; serving on (worker_survive_main)")
            return
        if not self._is_stopping:
            _log.error("the main process is gone")
        self._stop_now()
        # Whatever still waits: a log that nobody reads, for one.
        self._reactor.callLater(LAST_SECONDS, self._end)

    def _end(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._reactor.stop()

    _HEARD: Final[dict[str, Callable[["WorkerProcess", Any], None]]] = {
        "beginning": _begin,
        "orders": _take_orders,
        "question": _answer,
        "serve": _serve,
        "stop": _stop,
        "ping": _pong,
        "reopen_logs": _reopen_logs,
        "settings": _take_settings,
        "counters": _tell_counters,
        "clear": _clear_counters,
    }


def _orders(parts: list[pb.Request]) -> Iterator[Request | RefusedRequestError]:
    """Read orders one by one, as they are applied."""
    for part in parts:
        yield request_of(part)


def _why_not(fault: Failure) -> str:
    if not fault.check(RefusedRequestError, OSError):
        _log.failure("a change could not be applied", failure=fault)
    return fault.getErrorMessage()


class _ToMain:
    """Tells the main process what its subscribers want to hear; a ``control.events.Publisher``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def publish(
        self,
        kind: pb.EventKind,
        *,
        cluster_id: str | None = None,
        backend_id: str | None = None,
        address: BackendAddress | None = None,
    ) -> None:
        """Tell of it; what is None is not part of it."""
        event = event_message(kind, cluster_id=cluster_id, backend_id=backend_id, address=address)
        self._channel.say(event=event)
