"""What is told of listeners."""

from collections.abc import Iterator
from typing import Any

from sozutw.cli import spelling
from sozutw.cli.listener_options import H2_KNOBS, TIMEOUTS
from sozutw.cli.tables import pairs
from sozutw.control.proto import command_pb2 as pb


def show_listeners(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of each listener, by their kinds and addresses."""
    held = content.listeners_list
    kinds: tuple[tuple[str, Any], ...] = (
        ("HTTP", held.http_listeners),
        ("HTTPS", held.https_listeners),
        ("TCP", held.tcp_listeners),
        ("UDP", held.udp_listeners),
    )
    is_first = True
    for kind, listeners in kinds:
        for _, listener in sorted(listeners.items()):
            if not is_first:
                yield ""
            is_first = False
            state = "active" if listener.active else "not active"
            yield f"{kind} {spelling.address(listener.address)} ({state})"
            yield from (f"  {line}" for line in pairs(_settings(listener)))
    if is_first:
        yield "There is no listener."


def _settings(listener: Any) -> Iterator[tuple[str, str]]:
    """Give what a listener of any kind is set to."""
    if listener.HasField("public_address"):
        yield "public address", spelling.address(listener.public_address)
    if _has(listener, "expect_proxy"):
        yield "expects PROXY", spelling.yes(listener.expect_proxy)
    if _has(listener, "sticky_name"):
        yield "sticky cookie", listener.sticky_name
    extras = listener.extras if _has(listener, "extras") else pb.ListenerExtras()
    for name in TIMEOUTS:
        if _has(listener, name):
            exact = getattr(extras, name) if extras.HasField(name) else getattr(listener, name)
            yield name.replace("_", " "), spelling.seconds(exact)
    if _has(listener, "max_flows"):
        yield "datagrams of", f"{listener.max_rx_datagram_size} B at most"
        yield "flows at most", str(listener.max_flows or "as descriptors allow")
    if _has(listener, "http_answers"):
        yield from _http_settings(listener)
    if _has(listener, "versions"):
        yield from _tls_settings(listener)
    yield from _extra_settings(extras)


def _has(listener: Any, name: str) -> bool:
    """Say whether listeners of this kind have such a setting at all."""
    return name in listener.DESCRIPTOR.fields_by_name


def _extra_settings(extras: pb.ListenerExtras) -> Iterator[tuple[str, str]]:
    if extras.HasField("tunnel_timeout"):
        yield "tunnel timeout", spelling.seconds(extras.tunnel_timeout)
    if extras.trusted_proxies:
        yield "trusted proxies", ", ".join(extras.trusted_proxies)
    if extras.HasField("client_auth"):
        yield "client certificates", extras.client_auth


def _http_settings(listener: Any) -> Iterator[tuple[str, str]]:
    for name, meaning in (("elide_x_real_ip", "drops"), ("send_x_real_ip", "sends")):
        if getattr(listener, name):
            yield f"{meaning} X-Real-IP", "yes"
    if listener.sozu_id_header:
        yield "header of ids", listener.sozu_id_header
    given = (field.name for field, _ in listener.http_answers.ListFields())
    answers = {*listener.answers, *(name.removeprefix("answer_") for name in given)}
    if answers:
        yield "answers of its own", ", ".join(sorted(answers))
    for name in H2_KNOBS:
        if listener.HasField(name):
            yield name.replace("_", " "), str(getattr(listener, name))


def _tls_settings(listener: pb.HttpsListenerConfig) -> Iterator[tuple[str, str]]:
    if listener.versions:
        yield "TLS versions", ", ".join(map(pb.TlsVersion.Name, listener.versions))
    for name, meaning in (
        ("cipher_list", "ciphers"),
        ("cipher_suites", "cipher suites"),
        ("signature_algorithms", "signatures"),
        ("groups_list", "groups"),
        ("alpn_protocols", "ALPN"),
    ):
        held = getattr(listener, name)
        if held:
            yield meaning, ", ".join(held)
    yield "session tickets", str(listener.send_tls13_tickets)
    for name in ("strict_sni_binding", "disable_http11"):
        if listener.HasField(name):
            yield name.replace("_", " "), spelling.yes(getattr(listener, name))
    if listener.HasField("hsts"):
        age = spelling.seconds(listener.hsts.max_age)
        yield "HSTS", age if listener.hsts.enabled else "disabled"
