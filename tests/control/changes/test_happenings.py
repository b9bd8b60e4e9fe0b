"""Which event an order is: all that Sōzu has a kind for."""

import pytest

from sozutw.config import requests as orders
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
)
from sozutw.config.policies import HealthCheck
from sozutw.config.security import CertificateAndKey
from sozutw.control.changes.happenings import happening_of
from sozutw.control.proto import command_pb2 as pb

HERE = InetAddress("127.0.0.1", 8080)
RULE = FrontendRule(HERE, "a.test", cluster_id="app")
HELD = CertificateAndKey("certificate", "key")
AT = {"address": HERE}


@pytest.mark.parametrize(
    ("order", "kind", "about"),
    [
        (orders.AddHttpListener(HttpListener(HERE)), pb.LISTENER_ADDED, AT),
        (orders.AddHttpsListener(HttpsListener(HttpListener(HERE))), pb.LISTENER_ADDED, AT),
        (orders.RemoveListener(HERE), pb.LISTENER_REMOVED, AT),
        (orders.ActivateListener(HERE), pb.LISTENER_ACTIVATED, AT),
        (orders.DeactivateListener(HERE), pb.LISTENER_DEACTIVATED, AT),
        (
            orders.UpdateListener(HERE, ListenerKind.HTTP, orders.ListenerPatch()),
            pb.LISTENER_UPDATED,
            AT,
        ),
        (orders.AddCertificate(HERE, HELD), pb.CERTIFICATE_ADDED, AT),
        (orders.RemoveCertificate(HERE, "ab"), pb.CERTIFICATE_REMOVED, AT),
        (orders.ReplaceCertificate(HERE, HELD, "ab"), pb.CERTIFICATE_REPLACED, AT),
        (orders.ReplaceDefaultCertificate(HERE, HELD), pb.CERTIFICATE_REPLACED, AT),
        (orders.AddCluster(Cluster("app")), pb.CLUSTER_ADDED, {"cluster_id": "app"}),
        (orders.RemoveCluster("app"), pb.CLUSTER_REMOVED, {"cluster_id": "app"}),
        (orders.AddHttpFrontend(RULE), pb.FRONTEND_ADDED, {"cluster_id": "app", **AT}),
        (orders.AddHttpsFrontend(RULE), pb.FRONTEND_ADDED, {"cluster_id": "app", **AT}),
        (orders.RemoveHttpFrontend(RULE), pb.FRONTEND_REMOVED, {"cluster_id": "app", **AT}),
        (orders.RemoveHttpsFrontend(RULE), pb.FRONTEND_REMOVED, {"cluster_id": "app", **AT}),
    ],
)
def test_an_order_is_an_event(order: orders.Request, kind: int, about: dict) -> None:
    assert happening_of(order) == (kind, about)


@pytest.mark.parametrize(
    "order",
    [
        orders.AddBackend(Backend("app", "0", HERE)),
        orders.RemoveBackend("app", "0", HERE),
        orders.SetHealthCheck("app", HealthCheck("/")),
        orders.RemoveHealthCheck("app"),
    ],
)
def test_some_orders_are_none(order: orders.Request) -> None:
    assert happening_of(order) is None
