"""A process that cannot start says why in one line."""

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.application.service import Application, Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver

from sozutw.config.log_filter import Level, LogFilter
from sozutw.config.model import Config, Settings
from sozutw.listen.limits import TooFewDescriptorsError
from sozutw.process import run
from sozutw.process.logs.log import LineObserver
from sozutw.process.run import ProcessService, told
from sozutw.process.system.pid_file import PidFiles
from sozutw.process.upgrade.inheritance import Inheritance
from sozutw.process.workers.forks import CannotForkError
from tests.fakes.loops import loop_named
from tests.process.test_signals import FakeProxy, FakeReactor


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    """What a start changes of the whole process is put back."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
    answers = [signal.getsignal(number) for number in numbers]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    thresholds = gc.get_threshold()
    name = Path("/proc/self/comm").read_text()
    yield
    Path("/proc/self/comm").write_text(name)
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    for number, answer in zip(numbers, answers, strict=True):
        signal.signal(number, answer)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class Reactor(FakeReactor):
    """One that keeps what it is to call when it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.called_when_running: list[object] = []

    def callWhenRunning(self, called: object) -> None:
        self.called_when_running.append(called)


class FileWriter:
    """Takes lines, and counts how often it was reopened."""

    def write(self, lines: bytes) -> None:
        pass

    def reopen(self) -> None:
        pass

    def close(self) -> Deferred[None]:
        return succeed(None)


class Proxy(FakeProxy, Service):
    """A proxy that may find its port taken."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(0)
        self.error = error
        self.succession: Any = SimpleNamespace()
        self.calls = []

    def privilegedStartService(self) -> None:
        self.calls.append("privilegedStartService")

    def startService(self) -> None:
        if self.error is not None:
            raise self.error
        self.calls.append("startService")

    def stopService(self) -> None:
        self.calls.append("stopService")


def test_the_proxy_starts_and_stops_with_the_process() -> None:
    reactor, proxy = Reactor(), Proxy()
    service = ProcessService(reactor, proxy, 30.0)
    service.privilegedStartService()
    service.startService()
    # The signals first: walking through all that was loaded takes a while.
    assert reactor.called_when_running == [service._signals.install, run.calm_collector]
    # Whoever is told that it is ready may send a signal.
    proxy.serves()
    assert reactor.called_when_running[3:] == [service._life.ready]
    service.stopService()
    assert proxy.calls == ["privilegedStartService", "startService", "stopService"]


def test_the_process_before_is_told_to_go_when_all_has_begun(tmp_path: Path) -> None:
    reactor, proxy = Reactor(), Proxy()
    service = ProcessService(reactor, proxy, 30.0)
    heard: list[str] = []
    inheritance = Inheritance((), ready=lambda: heard.append("ready"))
    service.inherit(inheritance, PidFiles([str(tmp_path / "pid")]))
    assert service._life.is_successor
    service.startService()
    begun = len(reactor.called_when_running)
    proxy.could_serve()
    assert heard == ["ready"]
    assert (tmp_path / "pid").exists()
    assert len(reactor.called_when_running) == begun
    proxy.serves()
    assert reactor.called_when_running[begun:] == [inheritance.served, service._life.ready]
    service.stopService()


@pytest.mark.parametrize(
    "error",
    [
        OSError(98, "Address already in use"),
        CannotListenError("127.0.0.1", 80, OSError(98, "in use")),
    ],
)
def test_a_port_that_is_taken_is_one_line_and_status_1(error: Exception) -> None:
    said: list[str] = []
    service = ProcessService(Reactor(), Proxy(error), 30.0, None, said.append)
    with pytest.raises(SystemExit) as exit_:
        service.startService()
    assert exit_.value.code == 1
    (line,) = said
    assert line.startswith("sozutw cannot start: ")
    assert "in use" in line


def test_too_few_descriptors_are_one_line_and_status_78() -> None:
    said: list[str] = []
    with pytest.raises(SystemExit) as exit_, told(said.append):
        raise TooFewDescriptorsError("max_connections = 9 needs 82 file descriptors")
    assert exit_.value.code == 78
    assert said == ["sozutw cannot start: max_connections = 9 needs 82 file descriptors"]


def test_workers_that_cannot_begin_are_one_line_and_status_1() -> None:
    said: list[str] = []
    with pytest.raises(SystemExit) as exit_, told(said.append):
        raise CannotForkError("the zygote cannot be started: Permission denied")
    assert exit_.value.code == 1
    assert said == ["sozutw cannot start: the zygote cannot be started: Permission denied"]


def test_our_own_fault_keeps_its_traceback() -> None:
    service = ProcessService(Reactor(), Proxy(ZeroDivisionError()), 30.0)
    with pytest.raises(ZeroDivisionError):
        service.startService()


def test_twistd_finds_our_log_in_the_application(tmp_path: Path) -> None:
    writer = FileWriter()
    observer = LineObserver(writer, LogFilter.parse("info"), "MAIN")
    reactor, proxy = Reactor(), Proxy()
    application = Application("sozutw")
    ProcessService(reactor, proxy, 30.0, observer).setServiceParent(application)
    assert application.getComponent(ILogObserver) is observer


def test_without_a_log_of_ours_the_application_has_none() -> None:
    application = Application("sozutw")
    ProcessService(Reactor(), Proxy(), 30.0).setServiceParent(application)
    assert application.getComponent(ILogObserver) is None


def test_a_log_that_cannot_be_opened_stops_the_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(log_target=f"file://{tmp_path}/no/log")
    with pytest.raises(SystemExit):
        run.make_process(Config(settings=settings), Reactor())
    assert "sozutw cannot start: " in capfd.readouterr().err


@pytest.mark.parametrize("logs", [True, False])
def test_the_proxy_can_change_what_is_logged_if_the_log_is_ours(tmp_path: Path, logs: bool) -> None:
    with loop_named("epoll") as loop:
        config = Config(settings=Settings(log_target=f"file://{tmp_path}/log"))
        service = run.make_process(config, loop.reactor, logs=logs)
        assert service._proxy.host.live.set_filter("debug") is logs
        assert (service._observer is not None) is logs
        if service._observer is not None:
            assert service._observer.log_filter.admits("x", Level.DEBUG)
            service._observer.writer.close()
