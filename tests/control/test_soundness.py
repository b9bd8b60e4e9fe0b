"""What protobuf lets pass, and no reader meets."""

import pytest

from sozutw.config.state import RefusedRequestError
from sozutw.control import soundness
from sozutw.control.proto import command_pb2 as pb


def cluster() -> bytes:
    message = pb.Cluster(
        cluster_id="app", sticky_session=False, https_redirect=False, load_balancing=pb.HRW
    )
    return message.SerializeToString()


def request(number: int, body: bytes) -> pb.Request:
    """Return a request whose field of this number holds these bytes."""
    return pb.Request.FromString(varint(number << 3 | 2) + varint(len(body)) + body)


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return out + bytes((number,))


def part(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


ADD_CLUSTER = 13
ADD_HTTP_FRONTEND = 15
HTTPS_LISTENER = 27


@pytest.mark.parametrize(
    ("message", "text"),
    [
        # Texts: alone, in a list, in a map as key and as value, deep inside.
        (request(14, b"\xff"), "remove_cluster is no valid UTF-8; a text is meant"),
        (request(ADD_CLUSTER, cluster() + part(12, b"\xc3")), "add_cluster.www_authenticate is no"),
        (request(ADD_CLUSTER, cluster() + part(11, b"\xfe")), "add_cluster.authorized_hashes is"),
        (
            request(ADD_CLUSTER, cluster() + part(9, part(1, b"\xff") + part(2, b"a"))),
            "add_cluster.answers is no valid UTF-8",
        ),
        (
            request(ADD_CLUSTER, cluster() + part(9, part(1, b"a") + part(2, b"\xff"))),
            "add_cluster.answers is no valid UTF-8",
        ),
        (
            request(ADD_HTTP_FRONTEND, part(15, part(2, b"\xff"))),
            "add_http_frontend.headers[0].key is no valid UTF-8",
        ),
        (
            request(ADD_HTTP_FRONTEND, part(4, part(2, b"\xff"))),
            "add_http_frontend.path.value is no valid UTF-8",
        ),
        # Numbers that an enumeration does not have: required, optional, in a list.
        (
            request(ADD_CLUSTER, b"\x0a\x01a\x10\x00\x18\x00\x28\x63"),
            "add_cluster.load_balancing is 99; one of 0 (ROUND_ROBIN), 1 (RANDOM), ",
        ),
        (
            request(ADD_CLUSTER, cluster() + b"\x38\x07"),
            "add_cluster.load_metric is 7; one of 0 (CONNECTIONS), ",
        ),
        (request(HTTPS_LISTENER, b"\x60\x09"), "add_https_listener.versions is 9; one of 0 (SSL"),
        # A field of another type.
        (
            request(ADD_CLUSTER, cluster() + b"\x60\x01"),
            "add_cluster.www_authenticate is of another type than is meant",
        ),
        (
            request(ADD_CLUSTER, cluster() + part(5, b"a")[:0] + b"\x2d\x00\x00\x00\x00"),
            "add_cluster.load_balancing is 0; ",
        ),
        # What is missing.
        (
            request(ADD_CLUSTER, b"\x0a\x01a"),
            "the request is not whole; add_cluster.sticky_session, add_cluster.https_redirect, ",
        ),
    ],
)
def test_what_is_no_message_is_refused(message: pb.Request, text: str) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        soundness.check(message)
    assert str(caught.value).startswith(text)


def test_one_that_is_nested_too_deeply_is_refused() -> None:
    message = pb.Request(remove_cluster="a")
    for _ in range(40):
        message = pb.Request(batch=pb.Batch(requests=[message]))
    with pytest.raises(RefusedRequestError, match="nested too deeply"):
        soundness.check(message)


def test_all_else_passes() -> None:
    soundness.check(request(ADD_CLUSTER, cluster() + part(9, part(1, b"a") + part(2, b"b"))))
    soundness.check(pb.Request(batch=pb.Batch(requests=[pb.Request(remove_cluster="ä")] * 2)))
    answer = pb.ResponseContent()
    answer.cluster_hashes.map["a"] = 1
    soundness.check(answer)
    answer.health_checks_list.map["b"].uri = "/"
    with pytest.raises(RefusedRequestError, match=r"is missing$"):
        soundness.check(answer)


def test_what_a_later_version_adds_is_named() -> None:
    message = request(
        ADD_HTTP_FRONTEND, part(15, b"\xa0\x06\x05") + part(20, b"a") + b"\xa8\x01\x00"
    )
    assert list(soundness.unknown_fields(message)) == [
        "field 20 of add_http_frontend",
        "field 100 of add_http_frontend.headers",
    ]
    assert list(soundness.unknown_fields(pb.Status.FromString(b"\xa0\x06\x05"))) == [
        "field 100 of Status"
    ]
