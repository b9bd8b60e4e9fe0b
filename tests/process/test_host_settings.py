"""Which settings a new file changes at once, and which are told to wait for the next start."""

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

from sozutw.config.model import Config, InetAddress, MetricDetail, Metrics, Settings, Timeouts
from sozutw.process.host import NO_SOURCE, ProcessHost


def make_host() -> tuple[ProcessHost, Any]:
    means = SimpleNamespace(places_per_address=0, retry_after=60, replays=True, dials_max=3)
    return ProcessHost(None, Settings(), means, NO_SOURCE), means  # type: ignore[arg-type]


def waiting(**changes: Any) -> list[str]:
    host, _ = make_host()
    return host.take_settings(Config(replace(Settings(), **changes)))


def test_those_that_can_hold_at_once() -> None:
    host, means = make_host()
    filters: list[str] = []
    host.live.set_filter = lambda text: bool(filters.append(text)) or True
    new = replace(
        Settings(),
        log_level="debug",
        max_connections_per_ip=7,
        retry_after=8,
        replay=False,
        dials_max=9,
    )
    assert host.take_settings(Config(new)) == []
    assert vars(means) == {
        "places_per_address": 7,
        "retry_after": 8,
        "replays": False,
        "dials_max": 9,
    }
    assert filters == ["debug"]
    assert host.take_settings(Config(new)) == []
    assert filters == ["debug"]


def test_those_that_wait_are_named() -> None:
    assert waiting(
        max_connections=5,
        admin_address=InetAddress("127.0.0.1", 9090),
        metrics=Metrics(detail=MetricDetail.BACKEND),
    ) == ["max_connections", "metrics", "admin_address"]


def test_what_the_listeners_of_the_file_have_does_not_wait() -> None:
    assert waiting(timeouts=Timeouts(front=5.0), activate_listeners=False) == []


def test_what_has_no_effect_at_any_time_does_not_wait() -> None:
    assert waiting(command_buffer_size=2, min_buffers=2) == []


def test_what_only_the_command_line_reads_does_not_wait() -> None:
    assert waiting(ctl_command_timeout=2000) == []


def test_every_follower_is_a_setting() -> None:
    host, _ = make_host()
    assert host.live.followers.keys() <= {field.name for field in fields(Settings)}
