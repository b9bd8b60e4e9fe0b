"""A process that is held by its pidfd: real ones, and a clock."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock

from sozutw.process.workers import handle as module
from sozutw.process.workers.handle import END_SECONDS, Handle
from tests.e2e.harness import DEADLINE_SECONDS
from tests.fakes.fleet import open_descriptors


@pytest.fixture
def process() -> Iterator[Any]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _nothing_stays_open(process: Any) -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() <= before


def test_it_is_killed(process, clock):
    handle = Handle(clock)
    handle.kill()
    assert handle.pid == 0
    handle.begun(process.pid)
    assert handle.pid == process.pid
    handle.kill()
    assert process.wait(DEADLINE_SECONDS) == -9
    handle.kill()
    handle.ended()
    handle.ended()


def test_it_is_dropped(process, clock):
    handle = Handle(clock)
    handle.begun(process.pid)
    handle.drop()
    assert process.wait(DEADLINE_SECONDS) == -9


@pytest.mark.parametrize("unwanted", [Handle.drop, Handle.see_out])
def test_one_that_comes_when_nobody_wants_it_any_more_is_ended(process, clock, unwanted):
    handle = Handle(clock)
    unwanted(handle)
    handle.begun(process.pid)
    assert process.wait(DEADLINE_SECONDS) == -9
    assert not clock.getDelayedCalls()


def test_it_may_end_by_itself_for_a_while(process, clock):
    handle = Handle(clock)
    handle.begun(process.pid)
    handle.see_out()
    handle.see_out()
    clock.advance(END_SECONDS - 0.1)
    assert process.poll() is None
    clock.advance(0.2)
    assert process.wait(DEADLINE_SECONDS) == -9


def test_nothing_is_left_when_it_has_ended_by_itself(process, clock):
    handle = Handle(clock)
    handle.begun(process.pid)
    handle.see_out()
    handle.ended()
    assert not clock.getDelayedCalls()
    assert process.poll() is None


def test_one_that_has_ended_already(process, clock):
    process.kill()
    process.wait()
    handle = Handle(clock)
    handle.begun(process.pid)
    handle.kill()
    handle.drop()


def test_one_that_cannot_be_held_is_ended_while_its_number_is_certain(process, clock, monkeypatch):
    class Full:
        kill = staticmethod(os.kill)

        def pidfd_open(self, pid: int) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(module, "os", Full())
    with pytest.raises(OSError, match="Too many"):
        Handle(clock).begun(process.pid)
    assert process.wait(DEADLINE_SECONDS) == -9
    with pytest.raises(OSError, match="Too many"):
        Handle(clock).begun(process.pid)
