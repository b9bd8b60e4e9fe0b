"""
The ports, and that what is put into them fits.

That each side has every method is mypy's to say; here it is said that the two ends really
provide what the relay calls, by name and by number of arguments, for a fake is not type-checked.
"""

import inspect

import pytest
from twisted.internet.task import Clock

from sozutw.backend.factory import CheckedConnector, Connector
from sozutw.backend.http1 import Http1BackendConnection
from sozutw.config.model import Settings
from sozutw.frontend.http1 import Http1FrontendConnection
from sozutw.process.assembly import Worker
from sozutw.relay import ports
from sozutw.relay.exchange import Exchange
from sozutw.relay.ports import DialFailure, Means
from sozutw.transport.patience import Patience
from tests.fakes.transport import FakeDialler


def asked(port: type) -> list[str]:
    return [name for name, value in vars(port).items() if inspect.isfunction(value)]


def shape(function) -> list[tuple[str, object]]:
    parameters = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind) for parameter in parameters]


PROVIDED = [
    (ports.FrontSide, Http1FrontendConnection),
    (ports.BackSide, Http1BackendConnection),
    (ports.BackOwner, Exchange),
    (ports.Connector, Connector),
    (ports.Connector, CheckedConnector),
]


@pytest.mark.parametrize(("port", "provider"), PROVIDED)
def test_a_side_provides_what_its_port_asks(port: type, provider: type):
    names = [name for name in asked(port) if not name.startswith("_")]
    assert names
    for name in names:
        assert shape(getattr(provider, name)) == shape(getattr(port, name)), name


def test_the_two_sides_mirror_each_other():
    front, back = set(asked(ports.FrontSide)), set(asked(ports.BackSide))
    for name in ("write_chunk", "take_body", "pause", "resume", "tunnel", "touch", "finish"):
        assert name in front
        assert name in back


def test_a_patience_tells_its_seconds():
    assert "seconds" in Patience.__slots__


def test_why_a_dial_failed_is_one_of_four():
    assert {failure.value for failure in DialFailure} == {
        "refused",
        "timed out",
        "no descriptor left",
        "not secured",
    }


def means() -> Means:
    return Worker(Settings(), Clock(), FakeDialler(), lambda _: None).means


def test_the_means_are_changed_where_they_are_so_that_everybody_sees_it():
    shared = means()
    shared.replays = False
    with pytest.raises(AttributeError):
        shared.unheard_of = 1  # type: ignore[attr-defined]


def test_the_means_have_the_defaults_that_are_documented():
    defaults = {name: field.default for name, field in Means.__dataclass_fields__.items()}
    assert defaults["replays"] is True
    assert defaults["dials_max"] == 3
    assert defaults["head_bytes_max"] == 16_393
    assert defaults["places_per_address"] == 0
    assert defaults["retry_after"] == 60
