"""What an order to the proxy changes, in a line."""

from collections.abc import Callable
from typing import Any, Final

from sozutw.cli import spelling
from sozutw.config.table import printable
from sozutw.control.proto import command_pb2 as pb


def change(request: pb.Request) -> str:
    """Return ``+``, ``-`` or ``~``, and what it is that is added, removed or changed."""
    verb = request.WhichOneof("request_type")
    if verb is None:
        return "~ nothing"
    action, _, noun = verb.lower().partition("_")
    sign = {"add": "+", "remove": "-"}.get(action, "~")
    noun = noun.replace("_", " ") if action in _SAID else verb.replace("_", " ").lower()
    if action in ("activate", "deactivate"):
        noun = f"{action} {noun}"
    spell = _SPELLED.get(verb, _plain)
    return printable(" ".join(filter(None, (sign, noun, spell(getattr(request, verb))))))


_SAID: Final = ("add", "remove", "update", "replace", "activate", "deactivate")
"""What the sign says; any other verb is told itself."""


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _by_address(value: Any) -> str:
    return spelling.address(value.address)


def _frontend(value: pb.RequestHttpFrontend) -> str:
    to = value.cluster_id if value.HasField("cluster_id") else "nobody"
    words = (
        spelling.address(value.address),
        value.method,
        f"{value.hostname}{spelling.path(value.path)}",
        f"to {to}",
    )
    return " ".join(filter(None, words))


def _stream_frontend(value: Any) -> str:
    return f"{spelling.address(value.address)} to {value.cluster_id}"


def _backend(value: pb.AddBackend | pb.RemoveBackend) -> str:
    return f"{value.cluster_id}/{value.backend_id} {spelling.address(value.address)}"


def _listener_of_kind(value: Any) -> str:
    return f"{pb.ListenerType.Name(value.proxy).lower()} {spelling.address(value.address)}"


def _removed_certificate(value: pb.RemoveCertificate) -> str:
    return f"{value.fingerprint} of {spelling.address(value.address)}"


def _certificate(value: pb.AddCertificate | pb.ReplaceDefaultCertificate) -> str:
    from sozutw.cli.certificate import named  # noqa: PLC0415  # only where there is one

    return f"{named(value.certificate)} of {spelling.address(value.address)}"


def _replaced_certificate(value: pb.ReplaceCertificate) -> str:
    from sozutw.cli.certificate import named  # noqa: PLC0415  # as above

    new = named(value.new_certificate)
    return f"{value.old_fingerprint} of {spelling.address(value.address)} with {new}"


_SPELLED: Final[dict[str, Callable[[Any], str]]] = {
    "add_cluster": lambda value: str(value.cluster_id),
    "set_health_check": lambda value: f"of {value.cluster_id}",
    "add_http_frontend": _frontend,
    "add_https_frontend": _frontend,
    "remove_http_frontend": _frontend,
    "remove_https_frontend": _frontend,
    "add_tcp_frontend": _stream_frontend,
    "remove_tcp_frontend": _stream_frontend,
    "add_udp_frontend": _stream_frontend,
    "remove_udp_frontend": _stream_frontend,
    "add_backend": _backend,
    "remove_backend": _backend,
    "add_http_listener": _by_address,
    "add_https_listener": _by_address,
    "add_tcp_listener": _by_address,
    "add_udp_listener": _by_address,
    "update_http_listener": _by_address,
    "update_https_listener": _by_address,
    "update_tcp_listener": _by_address,
    "update_udp_listener": _by_address,
    "activate_listener": _listener_of_kind,
    "deactivate_listener": _listener_of_kind,
    "remove_listener": _listener_of_kind,
    "add_certificate": _certificate,
    "remove_certificate": _removed_certificate,
    "replace_certificate": _replaced_certificate,
    "replace_default_certificate": _certificate,
}
