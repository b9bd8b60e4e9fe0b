"""What a listener becomes when some of its fields change."""

from dataclasses import fields, replace
from typing import Any, Final

from sozutw.config.model import HttpListener, HttpsListener
from sozutw.config.policies import Http2Limits
from sozutw.config.requests import ListenerPatch

_TIMEOUTS: Final = ("front", "back", "connect", "request")
_PLAIN: Final = (
    "public_address",
    "expect_proxy",
    "sticky_name",
    "sozu_id_header",
    "elide_x_real_ip",
    "send_x_real_ip",
)
_SECURE: Final = ("strict_sni_binding", "disable_http11", "hsts")


def patched(
    listener: HttpListener | HttpsListener, patch: ListenerPatch
) -> HttpListener | HttpsListener:
    """Return the listener with what the patch names changed; all else stays."""
    if isinstance(listener, HttpListener):
        return _patched_http(listener, patch)
    changes: dict[str, Any] = _named(patch, _SECURE)
    if patch.alpn_protocols is not None:
        changes["alpn_protocols"] = patch.alpn_protocols or _default_alpn()
    return replace(listener, http=_patched_http(listener.http, patch), **changes)


def _patched_http(listener: HttpListener, patch: ListenerPatch) -> HttpListener:
    changes: dict[str, Any] = _named(patch, _PLAIN)
    seconds = {
        name: value
        for name in _TIMEOUTS
        if (value := getattr(patch, f"{name}_timeout")) is not None
    }
    if seconds:
        changes["timeouts"] = replace(listener.timeouts, **seconds)
    if patch.answers:
        answers = {**listener.answers, **patch.answers}
        changes["answers"] = {status: text for status, text in answers.items() if text}
    if patch.http2:
        changes["http2"] = replace(listener.http2 or Http2Limits(), **patch.http2)
    return replace(listener, **changes)


def _named(patch: ListenerPatch, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(patch, name)) is not None}


def _default_alpn() -> tuple[str, ...]:
    (default,) = (f.default for f in fields(HttpsListener) if f.name == "alpn_protocols")
    assert isinstance(default, tuple)
    return default
