"""A configuration made of two options of a command line."""

import pytest

from sozutw.config.draft import apply
from sozutw.config.model import InetAddress, UnixAddress
from sozutw.config.requests import requests_of
from sozutw.config.serve import ConfigError, serve_config
from sozutw.config.state import ConfigState


def test_every_request_leads_to_the_backends() -> None:
    config = serve_config("8080", ["localhost:8000", "127.0.0.1:8001", "unix:app.sock", ":8002"])
    assert [str(listener.address) for listener in config.listeners] == ["0.0.0.0:8080"]
    (rule,) = config.frontends
    assert (rule.hostname, rule.position.value, rule.cluster_id) == ("*", "PRE", "serve")
    assert [backend.address for backend in config.backends] == [
        InetAddress("localhost", 8000),
        InetAddress("127.0.0.1", 8001),
        UnixAddress("app.sock"),
        InetAddress("127.0.0.1", 8002),
    ]
    assert config.backends[0].backend_id == "serve-0-localhost:8000"


def test_an_empty_state_takes_it() -> None:
    state = ConfigState()
    for request in requests_of(serve_config("[::1]:8080", ["127.0.0.1:8001"])):
        apply(state, request)
    state.check_invariants()
    assert state.is_active(InetAddress("::1", 8080))


@pytest.mark.parametrize(
    ("listen", "to", "text"),
    [
        ("http", ["localhost:1"], 'cannot listen at "http"; a host and a port are meant'),
        ("localhost:80", ["localhost:1"], "cannot listen at \"localhost:80\"; 'localhost' is no"),
        ("8080", [], "at least one backend is meant"),
        ("8080", ["localhost:1", "x"], 'cannot lead to "x"; a host and a port are meant'),
        ("8080", ["99999"], 'cannot lead to "99999"; a port from 1 to 65535 is meant'),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_meant(
    listen: str, to: list[str], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        serve_config(listen, to)
    assert text in str(caught.value)
