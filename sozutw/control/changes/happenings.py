"""Which event an applied order is."""

from typing import Any, Final, NamedTuple

from sozutw.config.model import FrontendRule
from sozutw.config.requests import (
    ActivateListener,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    DeactivateListener,
    RemoveCertificate,
    RemoveCluster,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
    UpdateListener,
)
from sozutw.control.proto import command_pb2 as pb


class Happening(NamedTuple):
    """The kind of an event, and what is told of it."""

    kind: Any
    about: dict[str, Any]


_OF_ADDRESS: Final[dict[type[Any], Any]] = {
    RemoveListener: pb.LISTENER_REMOVED,
    ActivateListener: pb.LISTENER_ACTIVATED,
    DeactivateListener: pb.LISTENER_DEACTIVATED,
    UpdateListener: pb.LISTENER_UPDATED,
    AddCertificate: pb.CERTIFICATE_ADDED,
    RemoveCertificate: pb.CERTIFICATE_REMOVED,
    ReplaceCertificate: pb.CERTIFICATE_REPLACED,
    ReplaceDefaultCertificate: pb.CERTIFICATE_REPLACED,
}


def happening_of(request: Request) -> Happening | None:  # noqa: PLR0911 - one for each kind
    """Return the event that subscribers hear of; None for what is none."""
    kind = _OF_ADDRESS.get(type(request))
    if kind is not None:
        return Happening(kind, {"address": getattr(request, "address", None)})
    match request:
        case AddHttpListener(listener) | AddHttpsListener(listener):
            return Happening(pb.LISTENER_ADDED, {"address": listener.address})
        case AddCluster(cluster):
            return Happening(pb.CLUSTER_ADDED, {"cluster_id": cluster.cluster_id})
        case RemoveCluster(cluster_id):
            return Happening(pb.CLUSTER_REMOVED, {"cluster_id": cluster_id})
        case AddHttpFrontend(rule) | AddHttpsFrontend(rule):
            return Happening(pb.FRONTEND_ADDED, _of_rule(rule))
        case RemoveHttpFrontend(rule) | RemoveHttpsFrontend(rule):
            return Happening(pb.FRONTEND_REMOVED, _of_rule(rule))
        case _:
            return None


def _of_rule(rule: FrontendRule) -> dict[str, Any]:
    return {"cluster_id": rule.cluster_id, "address": rule.address}
