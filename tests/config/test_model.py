"""How addresses are spelled; all else in the model is plain values."""

import pytest

from sozutw.config.model import (
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    UnixAddress,
)


@pytest.mark.parametrize(
    ("address", "spelling"),
    [
        (InetAddress("127.0.0.1", 80), "127.0.0.1:80"),
        (InetAddress("::1", 8080), "[::1]:8080"),
        (InetAddress("localhost", 8000), "localhost:8000"),
        (UnixAddress("/run/app.sock"), "unix:/run/app.sock"),
    ],
)
def test_an_address_is_spelled_as_it_is_configured(address: object, spelling: str) -> None:
    assert str(address) == spelling


def test_an_empty_configuration_has_every_default_of_sozu() -> None:
    settings = Config().settings
    assert (settings.timeouts.front, settings.timeouts.back) == (60.0, 30.0)
    assert (settings.timeouts.connect, settings.timeouts.request) == (3.0, 10.0)
    assert (settings.buffer_size, settings.retry_after) == (16_393, 60)
    assert (settings.accept_queue_timeout, settings.zombie_check_interval) == (60.0, 1800.0)
    assert settings.max_connections is None


def test_a_listener_of_tls_is_where_its_plain_part_is() -> None:
    here = InetAddress("127.0.0.1", 443)
    assert HttpsListener(HttpListener(here)).address is here


def test_values_with_mappings_can_still_be_members_of_a_set() -> None:
    here = InetAddress("127.0.0.1", 80)
    values = {HttpListener(here, answers={"404": "x"}), Cluster("a"), FrontendRule(here, "*")}
    assert Cluster("a") in values
