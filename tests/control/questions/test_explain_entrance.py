"""At which listener a request comes in, and which certificate it is shown there."""

from dataclasses import replace
from typing import Any

import pytest

from sozutw.config.model import HttpListener, HttpsListener, InetAddress
from sozutw.config.requests import (
    ActivateListener,
    AddCertificate,
    AddHttpListener,
    AddHttpsListener,
    ReplaceDefaultCertificate,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.asked import asked_of
from sozutw.control.questions.explain_entrance import certificate_step, listener_step
from sozutw.control.questions.passed_over import LISTED_MAX
from tests.fakes.certificates import chained, leaf
from tests.fakes.worker import FakeWorld

TLS = InetAddress("10.0.0.1", 8443)


def world(*listeners: HttpListener | HttpsListener) -> FakeWorld:
    """FakeWorld's own listener is 10.0.0.1:8080, active; the others are not."""
    scene = FakeWorld()
    for listener in listeners:
        is_https = isinstance(listener, HttpsListener)
        add: Any = AddHttpsListener if is_https else AddHttpListener
        scene.apply(add(listener))
    return scene


def listener(scene: FakeWorld, url: str) -> pb.ExplanationStep:
    applier = scene.applier
    asked = asked_of(pb.Explain(url=url))
    chosen, step = listener_step(asked, applier.listeners.values(), applier.state)
    assert (chosen is None) is not step.HasField("chosen")
    assert step.kind == "listener"
    return step


def why(step: pb.ExplanationStep) -> dict[str, str]:
    return {one.what: one.because for one in step.passed_over}


def https(**more: Any) -> HttpsListener:
    return HttpsListener(HttpListener(TLS), **more)


def test_a_listener_is_found_by_scheme_port_and_address() -> None:
    other = InetAddress("10.0.0.2", 8080)
    scene = world(https(), HttpListener(other), HttpListener(InetAddress("0.0.0.0", 8081)))
    step = listener(scene, "http://10.0.0.1:8080/")
    assert step.chosen == "10.0.0.1:8080"
    assert step.because == "it is at port 8080"
    assert why(step) == {
        "10.0.0.1:8443": "it speaks TLS",
        "10.0.0.2:8080": "its address is 10.0.0.2",
        "0.0.0.0:8081": "its port is 8081",
    }
    assert listener(scene, "http://10.0.0.9:8081/").chosen == "0.0.0.0:8081"
    assert why(listener(scene, "https://x:8443/"))["10.0.0.1:8080"] == "it speaks no TLS"


def test_of_those_that_fit_the_active_one_is_taken() -> None:
    scene = world(HttpListener(InetAddress("10.0.0.2", 8080)))
    assert listener(scene, "http://a.example:8080/").chosen == "10.0.0.1:8080"
    step = listener(scene, "http://10.0.0.2:8080/")
    assert step.because == (
        "it is at port 8080; but it is not active: clients are refused until you activate it"
    )
    scene.apply(ActivateListener(InetAddress("10.0.0.2", 8080)))
    both = listener(scene, "http://a.example:8080/")
    assert both.chosen == "10.0.0.1:8080"
    assert why(both) == {"10.0.0.2:8080": "another one fits as well, and comes first"}


def test_a_url_without_a_port_finds_one_that_others_lead_to() -> None:
    scene = world(https())
    step = listener(scene, "http://a.example/")
    assert step.chosen == "10.0.0.1:8080"
    assert step.because == "none is at port 80, which the URL does not name"
    assert listener(scene, "https://a.example/").chosen == "10.0.0.1:8443"
    own = listener(world(HttpListener(InetAddress("::1", 80))), "http://a.example/")
    assert own.chosen == "[::1]:80"


def test_a_public_address_is_one_of_the_listener_s() -> None:
    at = InetAddress("10.0.0.2", 8081)
    scene = world(HttpListener(at, public_address=InetAddress("198.51.100.1", 80)))
    assert listener(scene, "http://198.51.100.1/").chosen == "10.0.0.2:8081"


def test_where_nobody_listens_is_told() -> None:
    step = listener(world(), "http://a.example:81/")
    assert step.because == "no listener accepts http there"
    assert why(step) == {"10.0.0.1:8080": "its port is 8080"}
    assert listener(world(), "https://a.example/").because == "no listener accepts https there"


def test_many_listeners_are_cut_and_counted() -> None:
    more = [HttpListener(InetAddress("10.0.0.2", 9000 + n)) for n in range(LISTED_MAX + 5)]
    step = listener(world(*more), "http://a.example:8080/")
    assert len(step.passed_over) == LISTED_MAX + 1
    assert step.passed_over[-1].what == "and 5 more"


def certificate(scene: FakeWorld, url: str) -> tuple[frozenset[str], pb.ExplanationStep]:
    asked = asked_of(pb.Explain(url=url))
    names, step = certificate_step(asked, TLS, scene.applier.state, scene.certificates)
    assert step.kind == "certificate"
    return names, step


def test_the_certificate_for_a_name_is_shown() -> None:
    scene = world(https())
    own, other = leaf("a.example", "www.a.example"), leaf("b.example")
    scene.apply(*(AddCertificate(TLS, chained(one)) for one in (own, other)))
    names, step = certificate(scene, "https://A.example/")
    assert names == {"a.example", "www.a.example"}
    assert step.chosen == (
        f"a.example, www.a.example (ECDSA, {own.fingerprint[:16]}, until 2090-01-01)"
    )
    assert step.because == "it is for a.example"
    assert why(step) == {f"b.example ({other.fingerprint[:16]})": "not for this name"}


def test_one_of_each_kind_is_shown_and_only_what_both_are_for_is_promised() -> None:
    scene = world(https())
    one = leaf("a.example", "b.example")
    rsa = leaf("a.example", "c.example", kind="RSA")
    old = leaf("a.example", serial=3, end=one.certificate.not_valid_after_utc.replace(year=2089))
    scene.apply(*(AddCertificate(TLS, chained(each)) for each in (one, rsa, old)))
    names, step = certificate(scene, "https://a.example/")
    assert names == {"a.example"}
    assert len(step.passed_over) == 2
    kinds = {"ECDSA", "RSA"}
    (shown,) = (kind for kind in kinds if f"({kind}," in step.chosen)
    reasons = why(step)
    (other,) = kinds - {shown}
    assert f"it serves clients that can use {other} only" in reasons.values()
    assert reasons[f"a.example ({old.fingerprint[:16]})"] == "another for this name is preferred"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://z.example/", "no certificate is for z.example: the listener's own is shown"),
        (
            "https://10.0.0.1:8443/",
            "a URL with an address asks for no name: the listener's own is shown",
        ),
        ("https://own.example/", "it is for own.example"),
    ],
)
def test_the_listener_s_own_certificate_is_shown_else(url: str, reason: str) -> None:
    scene = world(https(certificate=chained(leaf("own.example"))))
    names, step = certificate(scene, url)
    assert names == {"own.example"}
    assert step.because == reason
    scene.apply(ReplaceDefaultCertificate(TLS, chained(leaf("other.example"))))
    assert certificate(scene, url)[0] == {"other.example"}


def test_the_built_in_certificate_is_told_as_what_it_is() -> None:
    _, step = certificate(world(https()), "https://a.example/")
    assert step.because.endswith("the built-in one is shown, which nobody trusts")
    assert not step.passed_over


def test_many_certificates_are_cut_and_counted() -> None:
    scene = world(https())
    base = chained(leaf("a.example"))
    made = [leaf(f"h{n}.example") for n in range(LISTED_MAX + 2)]
    scene.apply(AddCertificate(TLS, base))
    scene.apply(*(AddCertificate(TLS, replace(base, certificate=one.pem)) for one in made))
    _, step = certificate(scene, "https://a.example/")
    assert len(step.passed_over) == LISTED_MAX + 1
    assert step.passed_over[-1].what == "and 2 more"
