"""Listeners as messages tell them, and what changes of them."""

import pytest

from sozutw.config.model import ListenerKind
from sozutw.config.policies import Http2Limits
from sozutw.config.requests import AddHttpListener, ListenerPatch, UpdateListener
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.messages import (
    HERE,
    http_listener,
    http_update,
    https_update,
    over_the_wire,
    refusal,
)
from tests.fakes.requests import template


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (http_listener(expect_proxy=True), "expect_proxy is not served yet: "),
        (http_listener(sticky_name="a b"), 'sticky_name is "a b"; the name of a cookie is meant'),
        (http_listener(sticky_name=""), 'sticky_name is ""'),
        (http_listener(sozu_id_header="a:"), 'sozu_id_header is "a:"; the name of a field'),
        (http_listener(front_timeout=0), "front_timeout is "),
        (
            http_listener(extras=pb.ListenerExtras(front_timeout=1.5)),
            "front_timeout is 60; extras has 1.5 for it, which is another; one of them is meant",
        ),
        (http_listener(extras=pb.ListenerExtras(tunnel_timeout=-1.0)), "tunnel_timeout is "),
        (
            http_listener(extras=pb.ListenerExtras(tunnel_timeout=float("nan"))),
            'tunnel_timeout is "nan"; a number of seconds',
        ),
        (
            http_listener(extras=pb.ListenerExtras(trusted_proxies=["10.0.0.1/8"])),
            'extras.trusted_proxies is "10.0.0.1/8"; ',
        ),
        (http_listener(answers={"404": "nonsense"}), "the template for 404 cannot be used: "),
        (http_listener(answers={"404": ""}), "the template for 404 cannot be used: "),
        (
            http_listener(http_answers=pb.CustomHttpAnswers(answer_502=template(503))),
            "the template for 502 cannot be used: its status line says 503",
        ),
        (http_listener(h2_max_glitch_count=0), "h2_max_glitch_count is 0; at least 1 is meant"),
        (http_update(expect_proxy=True), "expect_proxy is not served yet: "),
        (http_update(connect_timeout=0), "connect_timeout is "),
        (http_update(h2_initial_connection_window=0), "h2_initial_connection_window is 0"),
        (https_update(disable_http11=True), "disable_http11 is not served yet: "),
        (https_update(alpn_protocols=pb.AlpnProtocols(values=["x"])), 'alpn_protocols is "x"'),
        (https_update(hsts=pb.HstsConfig()), "hsts does not say enabled"),
        (https_update(sozu_id_header=""), 'sozu_id_header is ""'),
    ],
)
def test_a_listener_that_cannot_be_is_refused(message: pb.Request, text: str) -> None:
    told = refusal(message)
    assert told.startswith(text), told


def test_an_update_may_take_the_built_in_answer_back() -> None:
    order = over_the_wire(http_update(answers={"404": ""}))
    patch = ListenerPatch(answers={"404": ""})
    assert order == UpdateListener(HERE, ListenerKind.HTTP, patch)


def test_a_deadline_may_be_0() -> None:
    limited = over_the_wire(http_listener(h2_graceful_shutdown_deadline_seconds=0))
    assert isinstance(limited, AddHttpListener)
    assert limited.listener.http2 == Http2Limits(h2_graceful_shutdown_deadline_seconds=0)
