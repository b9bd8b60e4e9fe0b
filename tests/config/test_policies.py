"""The defaults that Sōzu gives, and what a health check may be."""

import pytest

from sozutw.config.policies import HealthCheck, Http2Limits, UdpHealth, UdpOptions, check_health


def test_no_limit_of_http2_is_zero_but_the_one_that_may_be() -> None:
    limits = Http2Limits()
    zero = [name for name in Http2Limits.__slots__ if getattr(limits, name) == 0]
    assert zero == []
    assert limits.h2_stream_idle_timeout_seconds is None


def test_the_defaults_are_those_of_sozu() -> None:
    check = HealthCheck("/")
    assert (check.interval, check.timeout, check.expected_status) == (10, 5, 0)
    assert UdpOptions().health == UdpHealth(rise=2, fall=3)


@pytest.mark.parametrize(
    "check",
    [
        HealthCheck("/"),
        HealthCheck("/up?a=b%20c", 1, 1, 1, 1, 100),
        HealthCheck("/é", 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, 599),
        HealthCheck("/" + "a" * 2047),
        HealthCheck("", is_tcp=True),
    ],
)
def test_a_health_check_that_can_be_done_is_right(check: HealthCheck) -> None:
    assert check_health(check) is None


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (HealthCheck(""), "uri is missing; a path such as /health is meant"),
        (HealthCheck("up"), "uri is 'up'; a path that begins with / is meant, without spaces"),
        (HealthCheck("/a b"), "uri is '/a b'; a path that begins"),
        (HealthCheck("/\r\n"), r"uri is '/\r\n'; "),
        (HealthCheck("/\x7f"), r"uri is '/\x7f'; "),
        (HealthCheck(" " * 99), f"uri is '{' ' * 60}'; "),
        (HealthCheck("/" + "a" * 2048), "uri has 2049 letters; at most 2048 are meant"),
        (HealthCheck("/", is_tcp=True), "uri has no meaning beside tcp; one of the two is meant"),
        (HealthCheck("/", interval=0), "interval is 0; 1 or more is meant"),
        (HealthCheck("/", timeout=0), "timeout is 0; 1 or more is meant"),
        (HealthCheck("/", healthy_threshold=0), "healthy_threshold is 0; 1 or more is meant"),
        (HealthCheck("/", unhealthy_threshold=-1), "unhealthy_threshold is -1; 1 or more is meant"),
        (HealthCheck("/", expected_status=99), "expected_status is 99; 0 or a status from 100"),
        (HealthCheck("", is_tcp=True, expected_status=600), "expected_status is 600; 0 or a"),
    ],
)
def test_a_health_check_that_cannot_be_done_is_told_by_the_key_that_is_wrong(
    check: HealthCheck, told: str
) -> None:
    wrong = check_health(check)
    assert wrong is not None
    assert wrong.startswith(told)
