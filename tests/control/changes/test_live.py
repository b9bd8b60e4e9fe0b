"""The ports of the live objects are provided by those who are said to provide them."""

import inspect

import pytest

from sozutw.backend.factory import Connector
from sozutw.control.changes.live import Certificates, Live, Pool, Sockets
from sozutw.listen import certificates
from sozutw.listen.listeners import ListenerService


@pytest.mark.parametrize(
    ("port", "provider"),
    [(Sockets, ListenerService), (Pool, Connector), (Certificates, certificates.Certificates)],
)
def test_a_port_is_provided(port: type, provider: type) -> None:
    methods = [name for name in vars(port) if not name.startswith("_")]
    assert methods
    for name in methods:
        asked = list(inspect.signature(getattr(port, name)).parameters)
        given = list(inspect.signature(getattr(provider, name)).parameters)
        assert given[: len(asked)] == asked, name


def test_nothing_is_live_at_first() -> None:
    assert Live().clusters == {}
    assert Live().listeners == {}
