"""Rules of frontends as messages tell them."""

import pytest

from sozutw.config.model import FrontendRule, PathType, Position, Redirect
from sozutw.config.requests import AddHttpsFrontend, RemoveHttpFrontend
from sozutw.config.security import Hsts
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.translate import message_of, request_of
from tests.fakes.messages import THERE, frontend, https_frontend, over_the_wire, refusal, rule


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (frontend(hostname=""), 'hostname is ""; a host name has no empty part'),
        (frontend(hostname="a b"), 'hostname is "a b"; '),
        (frontend(hostname="/[/.example"), "hostname is "),
        (frontend(cluster_id=""), 'cluster_id is ""'),
        (frontend(method="G T"), 'method is "G T"; a method such as GET is meant'),
        (
            frontend(path=pb.PathRule(kind=pb.REGEX, value="(")),
            "path.value is no regular expression that can be used: ",
        ),
        (frontend(rewrite_host="x"), "rewrite_host is not served yet: "),
        (frontend(rewrite_path="x"), "rewrite_path is not served yet: "),
        (frontend(rewrite_port=80), "rewrite_port is not served yet: "),
        (
            frontend(headers=[pb.Header(position=pb.BOTH, key="a", val="b")]),
            "headers is not served yet: ",
        ),
        (frontend(redirect_template="x"), "redirect_template is not served yet: "),
        (frontend(required_auth=True), "required_auth is not served yet: "),
        (
            frontend(hsts=pb.HstsConfig(enabled=True)),
            "hsts has no place at an http listener; https is meant",
        ),
        (https_frontend(hsts=pb.HstsConfig()), "hsts does not say enabled"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(message: pb.Request, text: str) -> None:
    told = refusal(message)
    assert told.startswith(text), told


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (pb.Header(position=pb.HEADER_POSITION_UNSPECIFIED, key="a", val=""), "headers.position"),
        (pb.Header(position=pb.BOTH, key="a b", val=""), 'headers.key is "a b"'),
        (pb.Header(position=pb.BOTH, key="a", val="\n"), "headers.val is "),
    ],
)
def test_an_edit_of_a_field_is_judged(header: pb.Header, text: str) -> None:
    assert refusal(pb.Request(remove_http_frontend=rule(headers=[header]))).startswith(text)


def test_a_rule_to_be_removed_may_be_one_that_is_not_served() -> None:
    headers = [pb.Header(position=pb.REQUEST, key="X-A", val="b")]
    message = rule(required_auth=True, rewrite_port=81, headers=headers)
    order = over_the_wire(pb.Request(remove_http_frontend=message))
    assert isinstance(order, RemoveHttpFrontend)
    assert (order.frontend.required_auth, order.frontend.rewrite_port) == (True, 81)
    assert request_of(message_of(order)) == order


def test_more_than_the_least_is_read() -> None:
    order = over_the_wire(
        https_frontend(
            hostname="BÜCHER.example",
            path=pb.PathRule(kind=pb.EQUALS, value="/x"),
            method="GET",
            position=pb.POST,
            tags={"owner": "ä"},
            redirect=pb.FOUND,
            hsts=pb.HstsConfig(enabled=True),
            cluster_id=None,
        )
    )
    assert order == AddHttpsFrontend(
        FrontendRule(
            THERE,
            "xn--bcher-kva.example",
            "/x",
            PathType.EQUALS,
            "GET",
            Position.POST,
            None,
            tags={"owner": "ä"},
            redirect=Redirect.FOUND,
            hsts=Hsts(enabled=True),
        )
    )
