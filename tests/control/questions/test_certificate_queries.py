"""Questions about certificates; the answer never holds a key."""

from typing import Any

import pytest

from sozutw.config.model import HttpListener, HttpsListener, InetAddress
from sozutw.config.requests import AddCertificate, AddHttpsListener
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.certificate_queries import (
    certificates_of_state,
    certificates_of_worker,
)
from tests.fakes.certificates import chained, leaf
from tests.fakes.worker import FakeWorld

HERE, THERE = InetAddress("10.0.0.1", 8443), InetAddress("10.0.0.2", 8443)
SHOP = leaf("shop.example", "www.shop.example")
WILD = leaf("*.example")


@pytest.fixture
def world() -> FakeWorld:
    scene = FakeWorld()
    scene.apply(
        *(AddHttpsListener(HttpsListener(HttpListener(at))) for at in (HERE, THERE)),
        AddCertificate(HERE, chained(SHOP)),
        AddCertificate(HERE, chained(WILD)),
    )
    return scene


def of_state(world: FakeWorld, **wish: str) -> dict[str, pb.CertificateAndKey]:
    filters = pb.QueryCertificatesFilters(**wish)
    response = certificates_of_state(world.applier.state, filters, world.certificates.names_of)
    assert response.status == pb.OK
    text = "Successfully queried certificates from the state of main process"
    assert response.message == text
    assert response.SerializeToString()
    return dict(response.content.certificates_with_fingerprints.certs)


def of_worker(world: FakeWorld, **wish: str) -> list[Any]:
    filters = pb.QueryCertificatesFilters(**wish)
    response = certificates_of_worker(world.applier.state, filters, world.certificates.names_of)
    assert response.status == pb.OK
    assert response.message == "Successfully queried certificates"
    assert response.SerializeToString()
    at_each = response.content.certificates_by_address.certificates
    assert [one.address.ip.v4 & 0xFF for one in at_each] == [1, 2]
    assert not at_each[1].certificate_summaries
    return [(one.domain, one.fingerprint) for one in at_each[0].certificate_summaries]


def test_all_are_told_with_their_names_and_without_their_keys(world: FakeWorld) -> None:
    told = of_state(world)
    assert set(told) == {SHOP.fingerprint, WILD.fingerprint}
    shop = told[SHOP.fingerprint]
    assert shop.certificate == SHOP.pem
    assert len(shop.certificate_chain) == 1
    assert list(shop.names) == ["shop.example", "www.shop.example"]
    assert all(one.key == "" for one in told.values())


def test_a_worker_tells_them_name_by_name(world: FakeWorld) -> None:
    assert of_worker(world) == [
        ("shop.example", SHOP.fingerprint),
        ("www.shop.example", SHOP.fingerprint),
        ("*.example", WILD.fingerprint),
    ]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"domain": "Shop.example"}, [("shop.example", SHOP), ("*.example", WILD)]),
        ({"domain": "www.shop.example"}, [("www.shop.example", SHOP)]),
        ({"domain": "*.example"}, [("*.example", WILD)]),
        ({"domain": "other"}, []),
        ({"fingerprint": WILD.fingerprint.upper()}, [("*.example", WILD)]),
        ({"fingerprint": WILD.fingerprint[:12]}, [("*.example", WILD)]),
        ({"fingerprint": "no"}, []),
        ({"fingerprint": SHOP.fingerprint, "domain": "x.example"}, []),
    ],
)
def test_they_are_found_by_name_and_by_fingerprint(
    world: FakeWorld, wish: dict[str, str], expected: Any
) -> None:
    names = [(name, issued.fingerprint) for name, issued in expected]
    assert of_worker(world, **wish) == names
    assert set(of_state(world, **wish)) == {fingerprint for _, fingerprint in names}
