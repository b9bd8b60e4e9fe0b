"""
A worker from its fork to its end: what it is told on its channel, and what it does of it.

``process.workers.member`` is the other side, and LIFECYCLE.md there tells how they go together.
"""

import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.protocol import Factory
from twisted.logger import Logger

from sozutw.config.model import Settings
from sozutw.config.settings_text import settings_from
from sozutw.control.events import EventWitness
from sozutw.control.proto import worker_pb2 as words
from sozutw.listen.shares import Share
from sozutw.process.live_settings import LiveSettings
from sozutw.process.logs.log import LineObserver, begin_logging, make_observer, set_log_filter
from sozutw.process.run import calm_collector, choose_reactor
from sozutw.process.system.titles import set_title
from sozutw.process.traffic import Traffic
from sozutw.process.worker.answers import Answers
from sozutw.process.worker.channel import Channel
from sozutw.process.worker.events import ToMain
from sozutw.process.worker.taking import Taking
from sozutw.process.workers.member import CHANNEL_VERSION
from sozutw.process.zygote.blanks import Blanks

EX_CONFIGURATION: Final = 5
"""The exit status of a worker that could not take the configuration."""
LAST_SECONDS: Final = 0.5
"""How long it may take to write its last lines when the main process is gone."""
MAIN_FIRST_SECONDS: Final = 0.2
"""How long a signal waits for the main process, which may have been sent the same."""

_ALWAYS_HEARD: Final = frozenset({"beginning", "stop", "ping"})
"""What makes sense to a worker that could not begin, or has not yet."""

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
        """With which its process ends."""
        self.begin_log: Callable[[Any, Settings, str], Any] = _begin_log
        """Writes the log from then on as the settings say; returns its observer."""
        self._why = "it was told to do something before it was told who it is"
        """Why it cannot take orders, as long as it has no traffic."""
        self._traffic: Traffic | None = None
        self._taking: Taking | None = None
        self._live: LiveSettings | None = None
        self._answers: Answers | None = None
        self._observer: Any = None
        self._survives = False
        self._is_orphan = False
        """Whether its main process is gone."""
        self._grace_seconds = 0.0
        self._is_serving = False
        """Whether it has the configuration, and its traffic has begun."""
        self._is_let_in = False
        """Whether it was told to take clients."""
        self._is_stopping = False
        self._was_signalled = False
        self._is_ended = False

    def _received(self, word: words.ToWorker) -> None:
        kind = word.WhichOneof("word") or ""
        hear = self._HEARD.get(kind)
        if hear is None:
            _log.warn("a word of the main process is not known here")
        elif self._traffic is not None or kind in _ALWAYS_HEARD:
            hear(self, getattr(word, kind))
        elif kind == "orders" and word.orders.is_last:
            self._applied(word.orders.number, self._why)

    # It begins.

    def _begin(self, told: words.Beginning) -> None:
        self.channel.say(begun=words.Begun(version=CHANNEL_VERSION, pid=os.getpid()))
        if told.version != CHANNEL_VERSION:
            self._why = f"it speaks version {CHANNEL_VERSION}, and was told of {told.version}"
            return
        try:
            self._become(told, settings_from(told.settings))
        except (OSError, ValueError) as error:
            self._why = f"it cannot begin: {error}"
            _log.failure("this worker cannot begin")

    def _become(self, told: words.Beginning, settings: Settings) -> None:
        tag = f"WRK-{told.id:02}"
        set_title(f"sozutw worker {told.id}")
        self._survives = told.survives_main
        self._grace_seconds = settings.graceful_shutdown_timeout
        self._observer = self.begin_log(self._reactor, settings, tag)
        if told.HasField("processor"):
            _stay_on(told.processor)
        traffic = Traffic(settings, self._reactor, told.listeners, tag=tag, tells_limits=False)
        traffic.listeners.hold()
        traffic.listeners.binds = False
        traffic.listeners.is_left_to_others = True
        if self._share is not None:
            traffic.listeners.share(self._share, traffic.worker.sessions.__len__)
        self._taking = Taking(
            traffic.applier,
            traffic.listeners,
            self._blanks,
            self.channel.descriptors,
            self._applied,
        )
        traffic.certificates.blank_for = self._taking.blank_for
        # The main process has taken them, perhaps long ago.
        traffic.certificates.judges_time = False
        traffic.watch_with(EventWitness(ToMain(self.channel)))
        self._live = LiveSettings(settings, traffic.knobs)
        self._live.set_filter = partial(set_log_filter, self._observer)
        desk = traffic.make_desk(self._live.set_log_filter, lambda: self._is_stopping)
        self._answers = Answers(self.channel, traffic, desk, self._reactor)
        self._traffic = traffic

    # What is configured.

    def _take_orders(self, told: words.Orders) -> None:
        assert self._taking is not None
        self._taking.take(told)

    def _applied(self, number: int, error: str | None) -> None:
        if error is None and not self._is_serving:
            error = self._start()
        self.channel.say(applied=words.Applied(number=number, error=error))
        if not self._is_serving:
            self.status = EX_CONFIGURATION
            self._is_stopping = True
            # The main process is to hear why; then the channel ends, and this one with it.
            self.channel.close()

    def _start(self) -> str | None:
        """Begin with what is configured; return why it cannot be."""
        assert self._traffic is not None
        if self._is_stopping:
            return "it is stopping"
        try:
            self._traffic.start()
        except OSError as error:
            return f"the access log cannot be opened: {error}"
        self._is_serving = True
        self._reactor.callLater(0, calm_collector)
        return None

    # What it is told to do.

    def _serve(self, _word: bool) -> None:
        assert self._traffic is not None
        self._is_let_in = True
        self._traffic.listeners.let_in()

    def _answer(self, question: words.Question) -> None:
        assert self._answers is not None
        self._answers.answer(question)

    def _clear_counters(self, _word: bool) -> None:
        assert self._traffic is not None
        self._traffic.clear()

    def _take_settings(self, text: str) -> None:
        assert self._live is not None
        try:
            self._live.take(settings_from(text))
        except ValueError as error:
            # Of a newer main process, perhaps; no client here is to suffer for it.
            _log.error("settings are not taken: {error}", error=error)

    def _tell_counters(self, number: int) -> None:
        assert self._answers is not None
        self._answers.count(number)

    def _pong(self, _word: bool) -> None:
        sessions = 0
        if self._traffic is not None:
            self._traffic.listeners.look()
            sessions = self._traffic.count_connections()
        self.channel.say(pong=words.Pong(sessions=sessions))

    def _reopen_logs(self, _word: bool) -> None:
        assert self._traffic is not None
        try:
            self._observer.writer.reopen()
        except OSError as error:
            _log.error("the log goes on as it was; it cannot be reopened: {error}", error=error)
        self._traffic.reopen_logs()

    def report_counters(self) -> None:
        """Write all counters of this worker to descriptor 1, as one line of JSON."""
        if self._answers is not None:
            self._answers.write_counters()

    # It ends.

    def _stop(self, told: words.Stopping) -> None:
        if told.is_hard:
            self._stop_now()
        else:
            self.stop_softly(told.seconds if told.HasField("seconds") else None)

    def stop_asked(self) -> None:
        """
        Somebody sent a signal: softly, and at once with the second one.

        Whoever stops the service may tell all of its processes, and what the main process says
        about the same may be here first: that is no second one. Or it comes a moment later; then
        clients are taken until it has shut them out.
        """
        if self._was_signalled:
            self._stop_now()
        else:
            self._was_signalled = True
            seconds = 0.0 if self._is_orphan else MAIN_FIRST_SECONDS
            self._reactor.callLater(seconds, self.stop_softly, self._grace_seconds)

    def stop_softly(self, seconds: float | None) -> None:
        """Accept nobody, and end with the last client, or after so many seconds from now."""
        if self._is_stopping:
            if seconds is not None and self._traffic is not None:
                self._traffic.worker.sessions.drain_within(seconds)
            return
        self._is_stopping = True
        if self._traffic is None or not self._is_serving:
            self._end()
            return
        self._traffic.worker.sessions.grace_seconds = seconds
        stopped = self._traffic.stop()
        stopped.addErrback(lambda fault: _log.failure("the soft stop failed", failure=fault))
        stopped.addCallback(lambda _: self._end())

    def _stop_now(self) -> None:
        self.stop_softly(0.0)
        if self._traffic is not None:
            self._traffic.stop_now()

    def _main_lost(self) -> None:
        if self._is_ended:
            return
        self._is_orphan = True
        # Who was not told to serve never would be: it would only hold the sockets.
        if self._survives and self._is_let_in and not self._is_stopping:
            _log.warn("the main process is gone; serving on (worker_survive_main)")
            return
        if not self._is_stopping:
            _log.error("the main process is gone")
        if not self._is_serving:
            self._end()
            return
        self._stop_now()
        # Whatever still waits: a log that nobody reads, for one.
        self._reactor.callLater(LAST_SECONDS, self._end)

    def _end(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            if self._taking is not None:
                self._taking.close()
            if self._answers is not None:
                self._answers.close()
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


def _begin_log(reactor: Any, settings: Settings, tag: str) -> LineObserver:
    observer = make_observer(
        reactor,
        settings.log_target,
        settings.log_level,
        tag=tag,
        is_colored=settings.log_colored,
    )
    begin_logging(observer)
    return observer


def _stay_on(processor: int) -> None:
    try:
        os.sched_setaffinity(0, {processor})
    except OSError as error:
        _log.warn(
            "this worker runs on any processor, and not on {one}: {error}",
            one=processor,
            error=error.strerror,
        )
