"""Tests of ``sozutw.transport.reactor``: in processes of their own, since one has one reactor."""

import subprocess
import sys
from typing import Any

import pytest

from sozutw.transport import reactor as under_test


def run(program: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_install_makes_it_the_reactor_and_it_runs() -> None:
    program = (
        "from sozutw.transport.reactor import install; install()\n"
        "from twisted.internet import reactor\n"
        "reactor.callLater(0.01, reactor.stop); reactor.run()\n"
        "print(type(reactor).__name__)\n"
    )
    assert run(program) == "DirectEPollReactor"


def test_where_it_cannot_work_another_is_installed_with_a_warning() -> None:
    program = (
        "import twisted.internet.epollreactor as theirs\n"
        "from sozutw.transport import reactor as ours\n"
        "from twisted.logger import globalLogPublisher, formatEvent\n"
        "globalLogPublisher.addObserver(\n"
        "    lambda e: print(e['log_level'].name) if 'sozutw' in formatEvent(e) else None)\n"
        "ours.works = lambda reactor: False\n"
        "ours.install()\n"
        "from twisted.internet import reactor\n"
        "print(type(reactor).__name__)\n"
    )
    assert run(program).split() == ["warn", "EPollReactor"]


@pytest.mark.parametrize(
    "change",
    [
        "del posixbase._DisconnectSelectableMixin._disconnectSelectable",
        "theirs.epoll = None",
    ],
)
def test_a_twisted_that_changed_is_noticed(change: str) -> None:
    program = (
        "import twisted.internet.epollreactor as theirs\n"
        "from twisted.internet import posixbase\n"
        f"{change}\n"
        "from twisted.logger import globalLogBeginner\n"
        "globalLogBeginner.beginLoggingTo([lambda event: None], redirectStandardIO=False)\n"
        "from sozutw.transport.reactor import make_direct_reactor\n"
        "print(make_direct_reactor())\n"
    )
    assert run(program) == "None"


def test_a_system_without_epoll_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sozutw.transport.epoll", None)
    assert under_test.make_direct_reactor() is None


def test_a_reactor_that_loses_events_does_not_work() -> None:
    class Deaf:
        def addReader(self, reader: Any) -> None:
            self.reader = reader

        def removeReader(self, reader: Any) -> None:
            pass

        def doPoll(self, timeout: float) -> None:
            pass

    class Eager(Deaf):
        def doPoll(self, timeout: float) -> None:
            if hasattr(self, "reader"):
                self.reader.doRead()

    assert not under_test.works(Deaf())
    assert not under_test.works(Eager())
