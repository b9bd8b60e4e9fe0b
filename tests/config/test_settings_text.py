"""Settings as another process reads them."""

import json
from dataclasses import fields, replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.model import (
    AccessLogFormat,
    InetAddress,
    MetricDetail,
    Metrics,
    Settings,
    Timeouts,
)
from sozutw.config.settings_text import settings_from, settings_text

FULL = Settings(
    command_socket="/run/sozu.sock",
    command_allowed_uids=(0, 1000),
    access_logs_format=AccessLogFormat.JSON,
    max_connections=17,
    timeouts=Timeouts(front=1.5),
    trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
    metrics=Metrics(InetAddress("::1", 8125), True, "p", MetricDetail.BACKEND),
    admin_address=InetAddress("127.0.0.1", 9),
)


@pytest.mark.parametrize("settings", [Settings(), FULL])
def test_they_come_back_as_they_were(settings: Settings) -> None:
    assert settings_from(settings_text(settings)) == settings


@given(st.builds(Settings, trusted_proxies=st.tuples(st.ip_addresses().map(ip_network))))
def test_whatever_they_are_they_come_back(settings: Settings) -> None:
    assert repr(settings_from(settings_text(settings))) == repr(settings)


def test_no_field_is_left_out() -> None:
    assert set(json.loads(settings_text(Settings()))) == {f.name for f in fields(Settings)}


def test_another_version_has_more_keys_or_fewer() -> None:
    plain: dict[str, Any] = json.loads(settings_text(FULL))
    del plain["buffer_size"]
    plain["of_tomorrow"] = 1
    plain["timeouts"]["of_tomorrow"] = 1
    plain["graceful_shutdown_timeout"] = 30
    assert settings_from(json.dumps(plain)) == replace(FULL, buffer_size=Settings().buffer_size)


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[]",
        "null",
        '{"buffer_size": "1"}',
        '{"buffer_size": true}',
        '{"log_colored": 1}',
        '{"access_logs_format": "xml"}',
        '{"timeouts": 3}',
        '{"user": 1.5}',
        '{"trusted_proxies": ["x"]}',
        '{"trusted_proxies": 3}',
        '{"admin_address": {"port": 1}}',
        "[" * 100_000,
    ],
)
def test_what_are_no_settings_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"settings|Expecting|does not appear|line 1"):
        settings_from(text)
