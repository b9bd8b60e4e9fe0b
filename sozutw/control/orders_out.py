"""To messages from the orders of ``config.requests``."""

from collections.abc import Callable
from typing import Any, Final

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
    Request,
    SetHealthCheck,
    UpdateListener,
)
from sozutw.control.addresses import address_message
from sozutw.control.objects_out import (
    backend_message,
    cluster_message,
    frontend_message,
    listener_message,
    put_patch,
)
from sozutw.control.parts_out import certificate_message, health_check_message
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.words import LISTENER_KIND

Order = Request | UpdateListener | SetHealthCheck | RemoveHealthCheck


def message_of(order: Order) -> pb.Request:
    """
    Return an order as a message, with all that Sōzu's own programs require.

    An order about a known listener must tell its kind.
    """
    if isinstance(order, UpdateListener):
        is_https = order.kind is ListenerKind.HTTPS
        return _update_https(order) if is_https else _update_http(order)
    field, write = _WRITERS[type(order)]
    return pb.Request(**{field: write(order)})


def _known_listener(
    message: type[pb.RemoveListener] | type[pb.ActivateListener] | type[pb.DeactivateListener],
    **others: bool,
) -> Callable[[Any], Any]:
    def write(order: RemoveListener | ActivateListener | DeactivateListener) -> Any:
        assert order.kind is not None, "a message tells the kind of the listener"
        proxy: Any = LISTENER_KIND.number(order.kind)
        return message(address=address_message(order.address), proxy=proxy, **others)

    return write


def _update_http(order: UpdateListener) -> pb.Request:
    message = pb.UpdateHttpListenerConfig(address=address_message(order.address))
    put_patch(message, order.patch)
    return pb.Request(update_http_listener=message)


def _update_https(order: UpdateListener) -> pb.Request:
    message = pb.UpdateHttpsListenerConfig(address=address_message(order.address))
    put_patch(message, order.patch)
    return pb.Request(update_https_listener=message)


def _add_certificate(order: AddCertificate) -> pb.AddCertificate:
    return pb.AddCertificate(
        address=address_message(order.address), certificate=certificate_message(order.certificate)
    )


def _remove_certificate(order: RemoveCertificate) -> pb.RemoveCertificate:
    return pb.RemoveCertificate(
        address=address_message(order.address), fingerprint=order.fingerprint
    )


def _replace_certificate(order: ReplaceCertificate) -> pb.ReplaceCertificate:
    return pb.ReplaceCertificate(
        address=address_message(order.address),
        new_certificate=certificate_message(order.certificate),
        old_fingerprint=order.old_fingerprint,
    )


def _replace_default(order: ReplaceDefaultCertificate) -> pb.ReplaceDefaultCertificate:
    return pb.ReplaceDefaultCertificate(
        address=address_message(order.address), certificate=certificate_message(order.certificate)
    )


def _remove_backend(order: RemoveBackend) -> pb.RemoveBackend:
    return pb.RemoveBackend(
        cluster_id=order.cluster_id,
        backend_id=order.backend_id,
        address=address_message(order.address),
    )


def _set_health_check(order: SetHealthCheck) -> pb.SetHealthCheck:
    return pb.SetHealthCheck(cluster_id=order.cluster_id, config=health_check_message(order.check))


def _added_listener(order: AddHttpListener | AddHttpsListener) -> Any:
    return listener_message(order.listener, active=False)


def _frontend(
    order: AddHttpFrontend | AddHttpsFrontend | RemoveHttpFrontend | RemoveHttpsFrontend,
) -> pb.RequestHttpFrontend:
    return frontend_message(order.frontend)


_WRITERS: Final[dict[type, tuple[str, Callable[[Any], Any]]]] = {
    AddHttpListener: ("add_http_listener", _added_listener),
    AddHttpsListener: ("add_https_listener", _added_listener),
    RemoveListener: ("remove_listener", _known_listener(pb.RemoveListener)),
    ActivateListener: (
        "activate_listener",
        _known_listener(pb.ActivateListener, from_scm=False),
    ),
    DeactivateListener: (
        "deactivate_listener",
        _known_listener(pb.DeactivateListener, to_scm=False),
    ),
    AddCluster: ("add_cluster", lambda order: cluster_message(order.cluster)),
    RemoveCluster: ("remove_cluster", lambda order: order.cluster_id),
    AddHttpFrontend: ("add_http_frontend", _frontend),
    AddHttpsFrontend: ("add_https_frontend", _frontend),
    RemoveHttpFrontend: ("remove_http_frontend", _frontend),
    RemoveHttpsFrontend: ("remove_https_frontend", _frontend),
    AddCertificate: ("add_certificate", _add_certificate),
    RemoveCertificate: ("remove_certificate", _remove_certificate),
    ReplaceCertificate: ("replace_certificate", _replace_certificate),
    ReplaceDefaultCertificate: ("replace_default_certificate", _replace_default),
    AddBackend: ("add_backend", lambda order: backend_message(order.backend)),
    RemoveBackend: ("remove_backend", _remove_backend),
    SetHealthCheck: ("set_health_check", _set_health_check),
    RemoveHealthCheck: ("remove_health_check", lambda order: order.cluster_id),
}
