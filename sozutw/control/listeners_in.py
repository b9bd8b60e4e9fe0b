"""From messages to listeners, and to what changes of them."""

from collections.abc import Iterable
from typing import Any, Final

from sozutw.config.addresses import parse_network
from sozutw.config.hostnames import is_token
from sozutw.config.listener_keys import ALPN
from sozutw.config.model import HttpListener, HttpsListener, Network, Timeouts
from sozutw.config.policies import Http2Limits
from sozutw.config.policy_keys import least_of
from sozutw.config.requests import ListenerPatch
from sozutw.control.addresses import address_of
from sozutw.control.parts_in import (
    answers_of,
    hsts_of,
    present,
    seconds_of,
    wrong,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.tls_in import alpn_of, client_auth_of, own_certificate_of, tls_options_of
from sozutw.control.unserved import unserved

_COOKIE: Final = "the name of a cookie is meant"
_FIELD: Final = "the name of a field is meant"


def http_listener_of(message: pb.HttpListenerConfig | pb.HttpsListenerConfig) -> HttpListener:
    """Return what listeners of both kinds have; raises RefusedRequestError, and tells why."""
    _refuse_proxy(message)
    plain = HttpListener(address_of(message.address))
    extras = message.extras
    timeouts = {
        name: seconds_of(message, extras, f"{name}_timeout")
        for name in ("front", "back", "connect", "request")
    }
    tunnel = seconds_of(None, extras, "tunnel_timeout")
    return HttpListener(
        address=plain.address,
        public_address=_public_address_of(message),
        timeouts=Timeouts(
            **{name: seconds for name, seconds in timeouts.items() if seconds is not None},
            tunnel=plain.timeouts.tunnel if tunnel is None else tunnel,
        ),
        sticky_name=_token(message, "sticky_name", _COOKIE) or plain.sticky_name,
        sozu_id_header=_token(message, "sozu_id_header", _FIELD) or plain.sozu_id_header,
        elide_x_real_ip=message.elide_x_real_ip,
        send_x_real_ip=message.send_x_real_ip,
        answers=answers_of(message, present(message, "http_answers")),
        trusted_proxies=_networks_of(extras.trusted_proxies),
        http2=Http2Limits(**limits) if (limits := _limits_of(message)) else None,
    )


def https_listener_of(message: pb.HttpsListenerConfig) -> HttpsListener:
    """Return a listener of TLS; raises RefusedRequestError, and tells why."""
    _refuse_http2_alone(message)
    http = http_listener_of(message)
    tls = tls_options_of(message)
    auth, authorities = client_auth_of(message.extras)
    strict = present(message, "strict_sni_binding")
    return HttpsListener(
        http=http,
        tls=tls,
        alpn_protocols=alpn_of(message.alpn_protocols) or ALPN,
        certificate=own_certificate_of(message, tls),
        strict_sni_binding=True if strict is None else strict,
        hsts=hsts_of(message),
        client_auth=auth,
        client_authorities=authorities,
    )


def http_patch_of(message: pb.UpdateHttpListenerConfig) -> ListenerPatch:
    """Return what changes of a plain listener; raises RefusedRequestError, and tells why."""
    return ListenerPatch(**_common_patch_of(message))


def https_patch_of(message: pb.UpdateHttpsListenerConfig) -> ListenerPatch:
    """Return what changes of a listener of TLS; raises RefusedRequestError, and tells why."""
    _refuse_http2_alone(message)
    protocols = present(message, "alpn_protocols")
    return ListenerPatch(
        **_common_patch_of(message),
        alpn_protocols=None if protocols is None else alpn_of(protocols.values),
        strict_sni_binding=present(message, "strict_sni_binding"),
        disable_http11=present(message, "disable_http11"),
        hsts=hsts_of(message),
    )


def _common_patch_of(message: Any) -> dict[str, Any]:
    _refuse_proxy(message)
    extras = message.extras
    return {
        "public_address": _public_address_of(message),
        "expect_proxy": present(message, "expect_proxy"),
        "sticky_name": _token(message, "sticky_name", _COOKIE),
        "front_timeout": seconds_of(message, extras, "front_timeout"),
        "back_timeout": seconds_of(message, extras, "back_timeout"),
        "connect_timeout": seconds_of(message, extras, "connect_timeout"),
        "request_timeout": seconds_of(message, extras, "request_timeout"),
        "sozu_id_header": _token(message, "sozu_id_header", _FIELD),
        "elide_x_real_ip": present(message, "elide_x_real_ip"),
        "send_x_real_ip": present(message, "send_x_real_ip"),
        "answers": answers_of(message, present(message, "http_answers"), may_be_empty=True),
        "http2": _limits_of(message),
    }


def _refuse_proxy(message: Any) -> None:
    if message.expect_proxy:
        # Without its header every client would seem to be the one proxy in front.
        raise unserved("expect_proxy", "the header of the PROXY protocol is not read")


def _refuse_http2_alone(message: Any) -> None:
    if message.disable_http11:
        # Without HTTP/2 nobody would be left to serve.
        raise unserved("disable_http11", "HTTP/1.1 is all that is spoken with clients")


def _public_address_of(message: Any) -> Any:
    if not message.HasField("public_address"):
        return None
    return address_of(message.public_address, "public_address")


def _token(message: Any, field: str, meant: str) -> str | None:
    text: str | None = present(message, field)
    if text is not None and not is_token(text):
        raise wrong(field, text, meant)
    return text


def _limits_of(message: Any) -> dict[str, int]:
    limits = {}
    for name in Http2Limits.__slots__:
        if message.HasField(name):
            limits[name] = number = getattr(message, name)
            if number < least_of(name):
                raise wrong(name, number, f"at least {least_of(name)} is meant")
    return limits


def _networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    networks = []
    for text in texts:
        try:
            networks.append(parse_network(text))
        except ValueError as error:
            raise wrong("extras.trusted_proxies", text, str(error)) from None
    return tuple(networks)
