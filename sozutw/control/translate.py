"""
Between the messages of the command socket and the orders of ``config.requests``.

Each direction undoes the other: ``request_of(message_of(request)) == request``, for all that this
version serves. What the messages of Sōzu have no place for stands in fields of ours, and Sōzu's
own hold the nearest there is.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from sozutw.config.model import ListenerKind
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    DeactivateListener,
    RemoveBackend,
    RemoveCertificate,
    RemoveCluster,
    RemoveHealthCheck,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    SetHealthCheck,
    UpdateListener,
)
from sozutw.config.state import RefusedRequestError
from sozutw.control import soundness
from sozutw.control.addresses import address_message, address_of, backend_address_of
from sozutw.control.clusters_in import backend_of, cluster_of, health_check_of
from sozutw.control.doubts import warnings_of
from sozutw.control.frontends_in import added_rule_of, rule_of
from sozutw.control.listeners_in import (
    http_listener_of,
    http_patch_of,
    https_listener_of,
    https_patch_of,
)
from sozutw.control.objects_out import (
    backend_message,
    cluster_message,
    frontend_message,
    listener_message,
)
from sozutw.control.orders_out import Order, message_of
from sozutw.control.parts_in import certificate_of, fingerprint_of, name_of
from sozutw.control.parts_out import certificate_message, health_check_message
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.unserved import VERBS, UnservedRequestError, unserved
from sozutw.control.words import LISTENER_KIND

__all__ = (
    "CHANGES",
    "Order",
    "UnservedRequestError",
    "address_message",
    "address_of",
    "backend_address_of",
    "backend_message",
    "certificate_message",
    "cluster_message",
    "frontend_message",
    "health_check_message",
    "listener_message",
    "message_of",
    "request_of",
    "warnings_of",
)


_Known = TypeVar("_Known", RemoveListener, ActivateListener, DeactivateListener)


def request_of(message: pb.Request, *, skip_unsupported: bool = False) -> Order:
    """
    Return what a message asks of the configuration.

    Raises RefusedRequestError, whose text says what is wrong and what is meant; and its
    UnservedRequestError for what is right, and not served by this version. With
    ``skip_unsupported`` that is raised only where nothing of it can be served, as when a file is
    read so.
    """
    verb = message.WhichOneof("request_type")
    if verb is None:
        raise RefusedRequestError("the request asks for nothing")
    if verb in VERBS:
        raise unserved(*VERBS[verb])
    read = _READERS.get(verb)
    if read is None:
        raise RefusedRequestError(
            f"{verb} changes nothing of the configuration; an order that does is meant"
        )
    soundness.check(message)
    return read(getattr(message, verb), skip_unsupported)


def _cluster(message: pb.Cluster, skip_unsupported: bool) -> Order:
    return AddCluster(cluster_of(message, skip_unsupported=skip_unsupported))


def _remove_cluster(cluster_id: str, _: bool) -> Order:
    return RemoveCluster(name_of(cluster_id, "remove_cluster"))


def _http_frontend(message: pb.RequestHttpFrontend, skip_unsupported: bool) -> Order:
    return AddHttpFrontend(
        added_rule_of(message, is_https=False, skip_unsupported=skip_unsupported)
    )


def _https_frontend(message: pb.RequestHttpFrontend, skip_unsupported: bool) -> Order:
    return AddHttpsFrontend(
        added_rule_of(message, is_https=True, skip_unsupported=skip_unsupported)
    )


def _certificate(message: pb.AddCertificate, _: bool) -> Order:
    return AddCertificate(address_of(message.address), certificate_of(message.certificate))


def _replace_certificate(message: pb.ReplaceCertificate, _: bool) -> Order:
    return ReplaceCertificate(
        address=address_of(message.address),
        certificate=certificate_of(message.new_certificate, "new_certificate"),
        old_fingerprint=fingerprint_of(message.old_fingerprint, "old_fingerprint"),
    )


def _replace_default_certificate(message: pb.ReplaceDefaultCertificate, _: bool) -> Order:
    return ReplaceDefaultCertificate(
        address_of(message.address), certificate_of(message.certificate)
    )


def _remove_certificate(message: pb.RemoveCertificate, _: bool) -> Order:
    return RemoveCertificate(
        address_of(message.address), fingerprint_of(message.fingerprint, "fingerprint")
    )


def _backend(message: pb.AddBackend, _: bool) -> Order:
    return AddBackend(backend_of(message))


def _remove_backend(message: pb.RemoveBackend, _: bool) -> Order:
    return RemoveBackend(
        cluster_id=name_of(message.cluster_id, "cluster_id"),
        backend_id=name_of(message.backend_id, "backend_id"),
        address=backend_address_of(message.address),
    )


def _known_listener(order: type[_Known]) -> Callable[[Any, bool], Order]:
    def read(message: Any, _: bool) -> Order:
        kind = LISTENER_KIND.word(message.proxy, "proxy")
        if kind not in (ListenerKind.HTTP, ListenerKind.HTTPS):
            raise unserved(
                f"a listener of {kind.value}", "this version has http and https listeners only"
            )
        return order(address_of(message.address), kind)

    return read


def _update_http(message: pb.UpdateHttpListenerConfig, _: bool) -> Order:
    return UpdateListener(address_of(message.address), ListenerKind.HTTP, http_patch_of(message))


def _update_https(message: pb.UpdateHttpsListenerConfig, _: bool) -> Order:
    return UpdateListener(address_of(message.address), ListenerKind.HTTPS, https_patch_of(message))


def _set_health_check(message: pb.SetHealthCheck, _: bool) -> Order:
    return SetHealthCheck(
        name_of(message.cluster_id, "cluster_id"), health_check_of(message.config)
    )


_READERS: Final[dict[str, Callable[[Any, bool], Order]]] = {
    "add_http_listener": lambda message, _: AddHttpListener(http_listener_of(message)),
    "add_https_listener": lambda message, _: AddHttpsListener(https_listener_of(message)),
    "remove_listener": _known_listener(RemoveListener),
    "activate_listener": _known_listener(ActivateListener),
    "deactivate_listener": _known_listener(DeactivateListener),
    "update_http_listener": _update_http,
    "update_https_listener": _update_https,
    "add_cluster": _cluster,
    "remove_cluster": _remove_cluster,
    "add_http_frontend": _http_frontend,
    "add_https_frontend": _https_frontend,
    "remove_http_frontend": lambda message, _: RemoveHttpFrontend(rule_of(message)),
    "remove_https_frontend": lambda message, _: RemoveHttpsFrontend(rule_of(message)),
    "add_certificate": _certificate,
    "replace_certificate": _replace_certificate,
    "replace_default_certificate": _replace_default_certificate,
    "remove_certificate": _remove_certificate,
    "add_backend": _backend,
    "remove_backend": _remove_backend,
    "set_health_check": _set_health_check,
    "remove_health_check": lambda cluster_id, _: RemoveHealthCheck(
        name_of(cluster_id, "remove_health_check")
    ),
}
CHANGES: Final = frozenset(_READERS)
"""The fields of a request that ``request_of`` reads: those that change the configuration."""
