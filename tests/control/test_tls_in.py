"""How a listener speaks TLS, as messages tell it."""

from dataclasses import replace

import pytest

from sozutw.config.requests import AddHttpsListener
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.translate import message_of
from tests.fakes.messages import LEAF, https_listener, over_the_wire, refusal


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (https_listener(disable_http11=True), "disable_http11 is not served yet: "),
        (https_listener(alpn_protocols=["h3"]), 'alpn_protocols is "h3"; h2 or http/1.1 is meant'),
        (https_listener(versions=[pb.SSL_V3]), "tls_versions: no version is left"),
        (https_listener(cipher_list=["NONE"]), "cipher_list: the library has none of these"),
        (https_listener(certificate=LEAF.certificate), "certificate stands without key"),
        (https_listener(key=LEAF.key), "key stands without certificate"),
        (https_listener(certificate_chain=["x"]), "certificate_chain has no certificate to lead"),
        (
            https_listener(certificate="x", key=LEAF.key),
            "certificate cannot be used: there is no certificate in it; the PEM text of one",
        ),
        (https_listener(hsts=pb.HstsConfig(max_age=1)), "hsts does not say enabled"),
        (
            https_listener(extras=pb.ListenerExtras(client_auth="perhaps")),
            'extras.client_auth is "perhaps"; one of none, optional, require is meant',
        ),
        (
            https_listener(extras=pb.ListenerExtras(client_auth="require")),
            "extras.client_auth is require without client_authorities; both are meant",
        ),
        (
            https_listener(extras=pb.ListenerExtras(client_authorities="x")),
            "extras.client_authorities asks no client for anything",
        ),
        (
            https_listener(
                extras=pb.ListenerExtras(client_auth="optional", client_authorities="x")
            ),
            "extras.client_authorities cannot be used: there is no certificate in it",
        ),
    ],
)
def test_tls_that_cannot_be_spoken_is_refused(message: pb.Request, text: str) -> None:
    told = refusal(message)
    assert told.startswith(text), told


def test_four_tickets_are_what_nobody_asked_for() -> None:
    order = over_the_wire(https_listener())
    assert isinstance(order, AddHttpsListener)
    assert order.listener.tls.send_tls13_tickets is None
    order = over_the_wire(https_listener(send_tls13_tickets=2))
    assert isinstance(order, AddHttpsListener)
    assert order.listener.tls.send_tls13_tickets == 2


def test_a_certificate_without_more_is_for_the_versions_of_its_listener() -> None:
    order = over_the_wire(
        https_listener(certificate=LEAF.certificate, key=LEAF.key, versions=[pb.TLS_V1_3])
    )
    assert isinstance(order, AddHttpsListener)
    assert order.listener.certificate == replace(LEAF, chain=(), versions=("TLS_V13",))
    assert not message_of(order).add_https_listener.HasField("extras")
