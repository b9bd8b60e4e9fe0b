"""What of an order has no effect is told."""

from collections.abc import Callable

import pytest

from sozutw.config.model import Cluster
from sozutw.config.requests import AddCluster
from sozutw.control.messages.translate import request_of, warnings_of
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.messages import (
    PRINT,
    certificate,
    cluster,
    frontend,
    here,
    http_listener,
    https_listener,
    https_update,
    over_the_wire,
    there,
)


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        (
            cluster(
                proxy_protocol=pb.EXPECT_HEADER,
                udp=pb.UdpClusterConfig(),
                load_metric=pb.CONNECTIONS,
                extras=pb.ClusterExtras(
                    affinity="source", backend_tls=pb.BackendTls(insecure=True)
                ),
                answers={"418": "tea"},
            ),
            [
                "proxy_protocol has no effect",
                "udp has no effect",
                "load_metric has no effect",
                "affinity has no effect",
                "backend_tls is insecure",
                "answers has 418",
            ],
        ),
        (http_listener(h2_max_glitch_count=1), ["h2_max_glitch_count has no effect"]),
        (
            https_listener(
                alpn_protocols=["h2"],
                send_tls13_tickets=9,
                hsts=pb.HstsConfig(enabled=False, max_age=1),
            ),
            [
                "alpn_protocols has h2",
                "hsts.max_age has no effect beside enabled = false",
                "send_tls13_tickets = 9",
            ],
        ),
        (
            https_update(
                alpn_protocols=pb.AlpnProtocols(values=["h2"]),
                hsts=pb.HstsConfig(enabled=True, preload=True, max_age=1),
            ),
            ["alpn_protocols has h2", "preload is of no use", "max_age is 1"],
        ),
        (
            frontend(
                hostname="*",
                method="get",
                path=pb.PathRule(kind=pb.PREFIX, value="a"),
                redirect_scheme=pb.USE_HTTP,
            ),
            ["hostname *", 'path is "a"', 'method is "get"', "redirect_scheme has no effect"],
        ),
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(), certificate=certificate(), expired_at=1
                )
            ),
            ["expired_at has no effect"],
        ),
        (
            pb.Request(
                replace_certificate=pb.ReplaceCertificate(
                    address=there(),
                    new_certificate=certificate(),
                    old_fingerprint=PRINT,
                    new_expired_at=1,
                )
            ),
            ["new_expired_at has no effect"],
        ),
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(), certificate=certificate(versions=[pb.TLS_V1_3])
                )
            ),
            ["versions has no effect; those of the listener hold"],
        ),
        (
            pb.Request(
                replace_certificate=pb.ReplaceCertificate(
                    address=there(),
                    new_certificate=certificate(versions=[pb.TLS_V1_2]),
                    old_fingerprint=PRINT,
                )
            ),
            ["versions has no effect; those of the listener hold"],
        ),
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(),
                    certificate=certificate(versions=[pb.TLS_V1_2, pb.TLS_V1_3]),
                )
            ),
            [],
        ),
        (
            pb.Request(
                activate_listener=pb.ActivateListener(address=here(), proxy=pb.HTTP, from_scm=True)
            ),
            ["from_scm has no effect"],
        ),
        (
            pb.Request(
                deactivate_listener=pb.DeactivateListener(
                    address=here(), proxy=pb.HTTP, to_scm=True
                )
            ),
            ["to_scm has no effect"],
        ),
    ],
)
def test_what_has_no_effect_is_told(message: pb.Request, texts: list[str]) -> None:
    over_the_wire(message)
    told = warnings_of(message)
    assert len(told) == len(texts), told
    for text, begin in zip(told, texts, strict=True):
        assert text.startswith(begin), text


def test_what_a_later_version_says_is_told_unless_it_says_nothing() -> None:
    def later(change: Callable[[pb.Cluster], bytes]) -> pb.Request:
        body = change(cluster().add_cluster)
        return pb.Request.FromString(b"\x6a" + bytes((len(body),)) + body)

    silent = later(lambda message: message.SerializeToString() + b"\xa0\x06\x00")
    assert warnings_of(silent) == []
    loud = later(lambda message: message.SerializeToString() + b"\xa0\x06\x01")
    assert request_of(loud) == AddCluster(Cluster("app"))
    assert warnings_of(loud) == ["field 100 of add_cluster is not known here, and has no effect"]
