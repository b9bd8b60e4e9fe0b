"""What of an order that is taken has no effect, or is probably not what is meant."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from sozutw.config.answer_keys import STATUSES
from sozutw.config.cluster_keys import KEYED, MEASURED
from sozutw.config.frontend_keys import doubts
from sozutw.config.policies import Http2Limits
from sozutw.config.tls_keys import preload_wants
from sozutw.control.messages.checks import check_tls_options
from sozutw.control.messages.frontends_in import rule_of
from sozutw.control.messages.parts_in import hsts_of
from sozutw.control.messages.soundness import unknown_fields
from sozutw.control.messages.tls_in import written_options_of
from sozutw.control.messages.words import LOAD_BALANCING
from sozutw.control.proto import command_pb2 as pb


def warnings_of(message: pb.Request) -> list[str]:
    """Return what an operator is to be told of a request that ``request_of`` took."""
    verb = message.WhichOneof("request_type")
    look = _LOOKS.get(verb or "")
    told = [] if look is None else list(look(getattr(message, verb or "")))
    told += [f"{place} is not known here, and has no effect" for place in unknown_fields(message)]
    return told


def _cluster(message: pb.Cluster) -> Iterator[str]:
    yield from _unserved(message, "http2", "authorized_hashes", "www_authenticate")
    if message.HasField("proxy_protocol"):
        yield "proxy_protocol has no effect on a cluster that http frontends lead to"
    if message.HasField("udp"):
        yield "udp has no effect on a cluster that http frontends lead to"
    policy = LOAD_BALANCING.word(message.load_balancing, "load_balancing")
    if message.HasField("load_metric") and policy not in MEASURED:
        yield "load_metric has no effect; load_balancing LEAST_LOADED or POWER_OF_TWO is meant"
    if message.extras.HasField("affinity") and policy not in KEYED:
        yield "affinity has no effect; load_balancing HRW or MAGLEV is meant"
    if message.extras.backend_tls.insecure:
        yield (
            "backend_tls is insecure: any certificate of a backend is taken, so whoever is on the "
            "way can read and change everything; authorities are meant"
        )
    yield from _answers(message)


def _http_listener(message: Any) -> Iterator[str]:
    yield from _answers(message)
    for name in Http2Limits.__slots__:
        if message.HasField(name):
            yield f"{name} has no effect; HTTP/1.1 is all that is spoken with clients"


def _https_listener(message: pb.HttpsListenerConfig) -> Iterator[str]:
    yield from _http_listener(message)
    yield from _alpn(message.alpn_protocols)
    yield from _hsts(message)
    _errors, warnings = check_tls_options(written_options_of(message))
    yield from warnings


def _https_update(message: pb.UpdateHttpsListenerConfig) -> Iterator[str]:
    yield from _http_listener(message)
    yield from _alpn(message.alpn_protocols.values)
    yield from _hsts(message)


def _frontend(message: pb.RequestHttpFrontend) -> Iterator[str]:
    for _key, text in doubts(rule_of(message)):
        yield text
    yield from _unserved(message, "required_auth", "redirect_template")
    if message.HasField("redirect_scheme") and message.redirect == pb.FORWARD:
        yield "redirect_scheme has no effect; redirect is meant beside it"
    yield from _hsts(message)


def _certificate(message: pb.AddCertificate) -> Iterator[str]:
    if message.HasField("expired_at"):
        yield "expired_at has no effect; the certificate itself tells when it expires"
    yield from _versions(message.certificate)


def _replacement(message: pb.ReplaceCertificate) -> Iterator[str]:
    if message.HasField("new_expired_at"):
        yield "new_expired_at has no effect; the certificate itself tells when it expires"
    yield from _versions(message.new_certificate)


def _versions(held: pb.CertificateAndKey) -> Iterator[str]:
    """Versions are agreed on before a name is known, and so before the certificate."""
    if held.versions and not {*held.versions} >= {pb.TLS_V1_2, pb.TLS_V1_3}:
        yield "versions has no effect; those of the listener hold for all of it"


def _activation(message: pb.ActivateListener) -> Iterator[str]:
    if message.from_scm:
        yield "from_scm has no effect; the socket is opened here"


def _deactivation(message: pb.DeactivateListener) -> Iterator[str]:
    if message.to_scm:
        yield "to_scm has no effect; the socket is closed here"


def _unserved(message: Any, *fields: str) -> Iterator[str]:
    """What is here was taken with ``skip_unsupported``."""
    for field in fields:
        if getattr(message, field):
            yield f"{field} is not served yet"


def _answers(message: Any) -> Iterator[str]:
    known = ", ".join(map(str, STATUSES))
    for status in sorted(message.answers):
        if status not in map(str, STATUSES):
            yield f"answers has {status}, which has no template; one of {known} is meant"


def _alpn(protocols: Any) -> Iterator[str]:
    if "h2" in protocols:
        yield "alpn_protocols has h2, which is not spoken yet; http/1.1 alone is offered"


def _hsts(message: Any) -> Iterator[str]:
    hsts = hsts_of(message)
    if hsts is None:
        return
    if not hsts.enabled:
        for field, _value in message.hsts.ListFields():
            if field.name != "enabled":
                yield f"hsts.{field.name} has no effect beside enabled = false"
    elif hsts.preload:
        for _key, text in preload_wants(hsts):
            yield text


_LOOKS: Final[dict[str, Callable[[Any], Iterator[str]]]] = {
    "add_cluster": _cluster,
    "add_http_listener": _http_listener,
    "add_https_listener": _https_listener,
    "update_http_listener": _http_listener,
    "update_https_listener": _https_update,
    "add_http_frontend": _frontend,
    "add_https_frontend": _frontend,
    "add_certificate": _certificate,
    "replace_certificate": _replacement,
    "activate_listener": _activation,
    "deactivate_listener": _deactivation,
}
