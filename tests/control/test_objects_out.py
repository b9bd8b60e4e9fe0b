"""Listeners as messages, with what Sōzu does not tell of them."""

from dataclasses import replace

import pytest

from sozutw.config.model import HttpListener, HttpsListener
from sozutw.config.requests import AddHttpListener, AddHttpsListener
from sozutw.control.translate import listener_message, message_of
from tests.fakes.messages import HERE, LEAF, THERE, http_listener, over_the_wire


@pytest.mark.parametrize(
    ("versions", "names"),
    [((), ()), (("TLS_V13",), ()), (("TLS_V12", "TLS_V13"), ("b.example",))],
)
def test_a_listeners_own_certificate_keeps_what_it_was_told(
    versions: tuple[str, ...], names: tuple[str, ...]
) -> None:
    held = replace(LEAF, versions=versions, names=names)
    order = AddHttpsListener(HttpsListener(HttpListener(THERE), certificate=held))
    message = message_of(order)
    assert message.add_https_listener.extras.HasField("certificate_use")
    assert over_the_wire(message) == order


def test_a_listener_is_told_as_active_or_not() -> None:
    for listener in (HttpListener(HERE), HttpsListener(HttpListener(THERE))):
        for active in (True, False):
            message = listener_message(listener, active=active)
            assert message.active is active
            assert message.IsInitialized()
    assert over_the_wire(http_listener(active=True)) == AddHttpListener(HttpListener(HERE))
