"""Tests of ``sozutw.control.channel.reading``."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.control.channel.reading import BATCH_MAX, UnreadableRequestError, read_request
from sozutw.control.orders import written
from sozutw.control.proto import command_pb2 as pb


def refusal(message: bytes) -> str:
    with pytest.raises(UnreadableRequestError) as told:
        read_request(message)
    return str(told.value)


def field(number: int, value: bytes) -> bytes:
    """A field of wire type 2, by hand."""
    tag = number << 3 | 2
    assert len(value) < 128
    if tag < 128:
        return bytes([tag, len(value)]) + value
    return bytes([tag & 0x7F | 0x80, tag >> 7, len(value)]) + value


@pytest.mark.parametrize(
    "request_",
    [
        pb.Request(status=pb.Status()),
        pb.Request(save_state="/var/s"),
        written.add_backend("shop", "shop-1", "127.0.0.1:80"),
        written.add_http_frontend("[::1]:80", "ü.example", "shop", tags={"a": "b"}),
        written.batch([written.remove_cluster("a"), written.remove_cluster("b")]),
    ],
)
def test_a_request_is_read(request_: pb.Request) -> None:
    assert read_request(request_.SerializeToString()) == request_


@given(st.binary(max_size=60))
def test_garbage_is_a_request_or_refused(message: bytes) -> None:
    with suppress(UnreadableRequestError):
        assert read_request(message).WhichOneof("request_type")


def test_every_refusal_says_what_is_wrong() -> None:
    assert refusal(b"") == "the request is empty: it asks for nothing"
    assert refusal(b"\xff" * 9).startswith("this is no request: ")
    assert refusal(field(500, b"")) == "the request asks for number 500, which is not known here"
    # An enumeration's unknown number is kept among the unknown fields.
    assert refusal(b"\xc8\x02\x63") == "configure_metrics has a value that is not known here"
    assert refusal(field(24, field(1, b"shop"))) == (
        "required, but missing or without a known value: add_backend.backend_id,"
        " add_backend.address"
    )


def test_of_many_missing_fields_only_some_are_told() -> None:
    batch = pb.Batch(requests=[pb.Request(add_backend=pb.AddBackend()) for _ in range(100)])
    text = refusal(pb.Request(batch=batch).SerializePartialToString())
    assert text.endswith(" and 295 more")
    assert "batch.requests[0].add_backend.cluster_id" in text


def test_a_nest_of_batches_is_refused() -> None:
    message = pb.Request(status=pb.Status()).SerializeToString()
    for _ in range(200):
        batch = len(message).to_bytes(2, "little")  # its length, as a varint of two bytes
        size = bytes([batch[0] & 0x7F | 0x80, len(message) >> 7])
        inner = b"\x0a" + size + message
        size = bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7])
        message = b"\xea\x3e" + size + inner
    assert refusal(message).startswith("this is no request: ")


def rule(**selection: Any) -> pb.Request:
    return written.add_http_frontend("[::1]:80", "h", "c", **selection)


BAD = b"\xff\xfe"


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (pb.Request(save_state="??"), "save_state"),
        (written.remove_backend("a", "??", "127.0.0.1:80"), "remove_backend.backend_id"),
        (rule(path="??"), "add_http_frontend.path.value"),
        (
            pb.Request(query_metrics=pb.QueryMetricsOptions(
                list=False, no_clusters=False, workers=False, metric_names=["a", "??"])),
            "query_metrics.metric_names",
        ),
        (rule(tags={"??": "v"}), "add_http_frontend.tags"),
        (rule(tags={"k": "??"}), "add_http_frontend.tags"),
        (
            written.batch([written.remove_cluster("a"), written.remove_cluster("??")]),
            "batch.requests[1].remove_cluster",
        ),
    ],
)  # fmt: skip
def test_a_text_that_is_not_utf8_is_refused_by_name(request_: pb.Request, name: str) -> None:
    message = request_.SerializeToString()
    read_request(message)
    assert refusal(message.replace(b"??", BAD)) == f"{name} is not UTF-8"


def test_bytes_need_not_be_utf8() -> None:
    cluster = written.add_cluster("a")
    cluster.add_cluster.udp.health.udp_probe_payload = BAD
    assert read_request(cluster.SerializeToString()) == cluster


def test_a_batch_has_a_limit() -> None:
    requests = [pb.Request(remove_cluster="a")] * (BATCH_MAX + 1)
    message = pb.Request(batch=pb.Batch(requests=requests)).SerializeToString()
    with pytest.raises(UnreadableRequestError, match="at most 10000 are meant"):
        read_request(message)
    fewer = pb.Request(batch=pb.Batch(requests=requests[1:]))
    assert read_request(fewer.SerializeToString()) == fewer
