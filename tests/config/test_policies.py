"""The defaults that Sōzu gives to what is not served yet."""

from sozutw.config.policies import HealthCheck, Http2Limits, UdpHealth, UdpOptions


def test_no_limit_of_http2_is_zero_but_the_one_that_may_be() -> None:
    limits = Http2Limits()
    zero = [name for name in Http2Limits.__slots__ if getattr(limits, name) == 0]
    assert zero == []
    assert limits.h2_stream_idle_timeout_seconds is None


def test_the_defaults_are_those_of_sozu() -> None:
    check = HealthCheck("/")
    assert (check.interval, check.timeout, check.expected_status) == (10, 5, 0)
    assert UdpOptions().health == UdpHealth(rise=2, fall=3)
