"""A patch changes what it names, and nothing else."""

import pytest

from sozutw.config.model import HttpListener, HttpsListener, InetAddress, Timeouts
from sozutw.config.patch import patched
from sozutw.config.policies import Http2Limits
from sozutw.config.requests import ListenerPatch
from sozutw.config.security import Hsts

HERE = InetAddress("127.0.0.1", 8080)
THERE = InetAddress("203.0.113.1", 80)
PLAIN = HttpListener(HERE, timeouts=Timeouts(front=1.0), answers={"404": "a", "503": "b"})


@pytest.mark.parametrize(
    ("patch", "changes"),
    [
        (ListenerPatch(), {}),
        (ListenerPatch(public_address=THERE), {"public_address": THERE}),
        (ListenerPatch(expect_proxy=True), {"expect_proxy": True}),
        (ListenerPatch(sticky_name="S"), {"sticky_name": "S"}),
        (ListenerPatch(sozu_id_header="Id"), {"sozu_id_header": "Id"}),
        (ListenerPatch(elide_x_real_ip=True), {"elide_x_real_ip": True}),
        (ListenerPatch(send_x_real_ip=True), {"send_x_real_ip": True}),
        (ListenerPatch(back_timeout=9.0), {"timeouts": Timeouts(front=1.0, back=9.0)}),
        (ListenerPatch(answers={"404": "c"}), {"answers": {"404": "c", "503": "b"}}),
        (ListenerPatch(answers={"404": ""}), {"answers": {"503": "b"}}),
        (
            ListenerPatch(http2={"h2_max_glitch_count": 7}),
            {"http2": Http2Limits(h2_max_glitch_count=7)},
        ),
    ],
)
def test_a_plain_listener(patch: ListenerPatch, changes: dict[str, object]) -> None:
    changed = patched(PLAIN, patch)
    assert isinstance(changed, HttpListener)
    for name in HttpListener.__slots__:
        assert getattr(changed, name) == changes.get(name, getattr(PLAIN, name)), name


def test_what_is_patched_again_keeps_what_was_patched_before() -> None:
    once = patched(PLAIN, ListenerPatch(http2={"h2_max_glitch_count": 7}))
    twice = patched(once, ListenerPatch(http2={"h2_stream_shrink_ratio": 3}))
    assert isinstance(twice, HttpListener)
    assert twice.http2 == Http2Limits(h2_max_glitch_count=7, h2_stream_shrink_ratio=3)


def test_a_listener_of_tls() -> None:
    secure = HttpsListener(PLAIN, alpn_protocols=("http/1.1",))
    hsts = Hsts(enabled=True)
    patch = ListenerPatch(sticky_name="S", strict_sni_binding=False, disable_http11=True, hsts=hsts)
    changed = patched(secure, patch)
    assert isinstance(changed, HttpsListener)
    assert changed.http.sticky_name == "S"
    assert (changed.strict_sni_binding, changed.disable_http11) == (False, True)
    assert changed.hsts == hsts
    assert changed.alpn_protocols == ("http/1.1",)
    assert changed.tls == secure.tls


def test_no_protocols_at_all_are_those_by_default() -> None:
    secure = HttpsListener(PLAIN, alpn_protocols=("http/1.1",))
    changed = patched(secure, ListenerPatch(alpn_protocols=()))
    assert isinstance(changed, HttpsListener)
    assert changed.alpn_protocols == ("h2", "http/1.1")
    named = patched(secure, ListenerPatch(alpn_protocols=("h2",)))
    assert isinstance(named, HttpsListener)
    assert named.alpn_protocols == ("h2",)
