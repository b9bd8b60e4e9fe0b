"""Templates, certificates and durations as messages tell them."""

import pytest

from sozutw.config.requests import AddCluster, AddHttpListener
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.messages import (
    PRINT,
    backend,
    certificate,
    cluster,
    http_listener,
    over_the_wire,
    refusal,
    there,
)
from tests.fakes.requests import template


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(), certificate=certificate(certificate="none")
                )
            ),
            "certificate cannot be used: there is no certificate in it",
        ),
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(), certificate=certificate(names=[""])
                )
            ),
            'certificate.names is ""; a name that can be printed is meant',
        ),
        (
            pb.Request(remove_certificate=pb.RemoveCertificate(address=there(), fingerprint="ab")),
            'fingerprint is "ab"; the 64 hexadecimal digits',
        ),
        (
            pb.Request(
                replace_certificate=pb.ReplaceCertificate(
                    address=there(), new_certificate=certificate(), old_fingerprint="x" * 64
                )
            ),
            "old_fingerprint is ",
        ),
        (
            pb.Request(
                replace_certificate=pb.ReplaceCertificate(
                    address=there(),
                    new_certificate=certificate(certificate="x"),
                    old_fingerprint=PRINT,
                )
            ),
            "new_certificate cannot be used: ",
        ),
    ],
)
def test_a_certificate_that_is_none_is_refused(message: pb.Request, text: str) -> None:
    told = refusal(message)
    assert told.startswith(text), told


def test_a_long_value_is_told_in_part() -> None:
    told = refusal(backend(sticky_id="ä" * 1000))
    assert len(told) < 120
    assert "…" in told


def test_templates_are_read_from_both_places_and_the_map_wins() -> None:
    old = pb.CustomHttpAnswers(answer_404=template(404) + "old", answer_503=template(503))
    order = over_the_wire(http_listener(http_answers=old, answers={"404": template(404)}))
    assert isinstance(order, AddHttpListener)
    assert order.listener.answers == {"404": template(404), "503": template(503)}
    order = over_the_wire(
        cluster(answer_503=template(503), answers={"503": template(503) + "new", "418": "tea"})
    )
    assert isinstance(order, AddCluster)
    assert order.cluster.answers == {"503": template(503) + "new"}
