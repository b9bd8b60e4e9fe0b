"""A private key is never told, wherever in a request it stands."""

import pytest

from sozutw.config import requests as orders
from sozutw.config.model import Cluster, HttpListener, HttpsListener, InetAddress
from sozutw.config.security import BackendTls, CertificateAndKey
from sozutw.control.messages.secrets import without_keys
from sozutw.control.messages.translate import message_of
from tests.config.conftest import pem

HERE = InetAddress("127.0.0.1", 8443)
HELD = CertificateAndKey(pem("one"), "PRIVATE KEY")


@pytest.mark.parametrize(
    "order",
    [
        orders.AddCertificate(HERE, HELD),
        orders.ReplaceCertificate(HERE, HELD, "ab" * 32),
        orders.ReplaceDefaultCertificate(HERE, HELD),
        orders.AddHttpsListener(HttpsListener(HttpListener(HERE), certificate=HELD)),
        orders.AddCluster(Cluster("app", backend_tls=BackendTls(certificate=HELD))),
    ],
)
def test_a_key_is_emptied_and_the_rest_stays(order: orders.Request) -> None:
    message = message_of(order)
    assert b"PRIVATE KEY" in message.SerializeToString()
    told = without_keys(message).SerializeToString()
    assert b"PRIVATE KEY" not in told
    assert pem("one").encode() in told


def test_a_listener_without_a_certificate_has_no_key_afterwards_either() -> None:
    message = message_of(orders.AddHttpsListener(HttpsListener(HttpListener(HERE))))
    assert not without_keys(message).add_https_listener.HasField("key")
    bare = message_of(orders.AddCluster(Cluster("app")))
    before = bare.SerializeToString()
    assert without_keys(bare).SerializeToString() == before
