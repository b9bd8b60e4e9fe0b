"""What a process does for its verbs: read files in a thread, take settings, end."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sozutw.config.model import Config, Settings
from sozutw.config.state import RefusedRequestError
from sozutw.process.host import NO_SOURCE, ProcessHost, Source
from tests.fakes.loops import HandRunLoop, loop_named
from tests.fakes.worker import FakeWorld

GOOD = 'log_level = "warn"\n'


def host_of(
    reactor: Any = None, settings: Settings | None = None, source: Source = NO_SOURCE
) -> ProcessHost:
    return ProcessHost(reactor, settings or Settings(), FakeWorld().worker.means, source)


def outcome(loop: HandRunLoop, asked: "Deferred[Config]") -> Any:
    over: list[Any] = []
    asked.addBoth(over.append)
    loop.run_until(lambda: over)
    return over[0]


@pytest.mark.parametrize("name", ["direct", "epoll"])
def test_a_file_is_read_in_a_thread_and_judged(tmp_path: Path, name: str) -> None:
    path = tmp_path / "sozutw.toml"
    with loop_named(name) as loop:
        host = host_of(loop.reactor)
        path.write_text(GOOD)
        assert outcome(loop, host.read_configuration(str(path))).settings.log_level == "warn"
        path.write_text("log_level = 7\nbuffer_size = true\n")
        failure = outcome(loop, host.read_configuration(str(path)))
        assert failure.check(RefusedRequestError)
        lines = str(failure.value).splitlines()
        assert lines[0].startswith(f"{path}:1: log_level is 7; ")
        assert lines[1].startswith(f"{path}:2: ")
        missing = outcome(loop, host.read_configuration(str(tmp_path / "none")))
        assert "cannot be read" in str(missing.value)
        host.close()
        host.close()


def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with loop_named("direct") as loop:
        host = host_of(loop.reactor)
        for path, why in ((str(pipe), "is no file"), ("/dev/zero", "is no file"), ("a\0", "NUL")):
            failure = outcome(loop, host.read_configuration(path))
            assert failure.check(RefusedRequestError)
            assert why in str(failure.value)
        host.close()


def test_after_the_end_no_thread_is_begun() -> None:
    with loop_named("direct") as loop:
        host = host_of(loop.reactor)
        host.close()
        failure = outcome(loop, host.read_configuration("any"))
        assert "is stopping" in str(failure.value)
        assert host._pool is None


def test_what_is_skipped_at_the_start_is_skipped_by_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "sozutw.toml"
    path.write_text('[[listeners]]\nprotocol = "udp"\naddress = "127.0.0.1:1"\n')
    with loop_named("direct") as loop:
        strict = host_of(loop.reactor)
        assert outcome(loop, strict.read_configuration(str(path))).check(RefusedRequestError)
        lenient = host_of(loop.reactor, source=Source(str(path), skips_unsupported=True))
        assert outcome(loop, lenient.read_configuration(str(path))).listeners == ()
        assert lenient.configuration_path == str(path)
        strict.close()
        lenient.close()


def test_settings_hold_at_once_where_they_can_and_the_others_are_named() -> None:
    host = host_of()
    filters: list[str] = []
    host.live.set_filter = lambda text: not filters.append(text)
    seen: list[Config] = []
    host.configured = seen.append
    means = host.live._knobs
    settings = Settings(
        log_level="debug",
        max_connections_per_ip=7,
        retry_after=9,
        replay=False,
        dials_max=5,
        buffer_size=20_000,
        worker_count=0,
        ctl_command_timeout=5,
    )
    config = Config(settings)
    assert host.take_settings(config) == ["buffer_size"]
    assert filters == ["debug"]
    assert (means.places_per_address, means.retry_after) == (7, 9)
    assert (means.replays, means.dials_max) == (False, 5)
    assert seen == [config]
    assert host.take_settings(config) == []
    assert host.take_settings(Config(replace(settings, buffer_size=30_000))) == ["buffer_size"]


def test_a_limit_that_a_command_set_stays_until_the_file_names_another() -> None:
    host = host_of()
    host.set_places_per_address(3)
    assert host.get_places_per_address() == 3
    host.take_settings(Config(Settings(retry_after=1)))
    assert host.get_places_per_address() == 3


def test_a_filter_is_refused_with_its_reason() -> None:
    host = host_of()
    with pytest.raises(RefusedRequestError, match="twistd's own"):
        host.set_log_filter("debug")

    def wrong(_text: str) -> bool:
        raise ValueError("no level")

    host.live.set_filter = wrong
    with pytest.raises(RefusedRequestError, match="no level"):
        host.set_log_filter("debug")


@pytest.mark.parametrize("is_hard", [False, True])
def test_a_stop_is_asked_for_and_told_when_the_sessions_have_ended(is_hard: bool) -> None:
    host = host_of()
    asked: list[bool] = []
    ended: Deferred[None] = Deferred()
    host.stop_process = asked.append
    host.when_sessions_end = lambda: ended
    over: list[object] = []
    host.stop(is_hard=is_hard).addCallback(over.append)
    assert asked == [is_hard]
    assert over == []
    ended.callback(None)
    assert over == [None]
    alone = host_of()
    alone.stop(is_hard=True).addCallback(over.append)
    assert len(over) == 2
