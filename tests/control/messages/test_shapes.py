"""What JSON must look like to become a message."""

from typing import Any

import pytest

from sozutw.control.messages.shapes import ShapeError, reader_of
from sozutw.control.proto import command_pb2 as pb

HERE = {"ip": {"inner": {"V4": 2130706433}}, "port": 8080}


def read(kind: Any, value: object) -> Any:
    message = kind()
    reader_of(kind.DESCRIPTOR)(message, value)
    return message


def refusal(kind: Any, value: object) -> str:
    with pytest.raises(ShapeError) as caught:
        read(kind, value)
    return str(caught.value)


def test_an_address_is_read() -> None:
    here = pb.SocketAddress(ip=pb.IpAddress(v4=2130706433), port=8080)
    assert read(pb.SocketAddress, HERE) == here
    loop = {"ip": {"inner": {"V6": {"low": 1, "high": 0}}}, "port": 1}
    assert read(pb.SocketAddress, loop).ip.v6.low == 1


def test_an_empty_message_is_one() -> None:
    assert read(pb.Request, {"request_type": {"STATUS": {}}}).HasField("status")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pb.SocketAddress, [], "is a list; an object is meant"),
        (pb.SocketAddress, {"port": 1}, "ip is missing"),
        (pb.SocketAddress, {"ip": None, "port": 1}, "ip is null"),
        (pb.SocketAddress, HERE | {"port": None}, "port is null"),
        (pb.SocketAddress, HERE | {"y": 0, "x" * 200: 1}, "x" * 60 + " is not known here"),
        (pb.SocketAddress, HERE | {"port": False}, "port is false; a whole number from 0 to"),
        (pb.SocketAddress, {"ip": {"inner": {"V4": 2**32}}, "port": 1}, "ip.V4 is 4294967296; "),
        (
            pb.SocketAddress,
            {"ip": {"inner": {"V6": {"low": 2**64, "high": 0}}}, "port": 1},
            "ip.V6.low is 18446744073709551616; a whole number from 0 to 18446744073709551615",
        ),
        (pb.LoadBalancingParams, {"weight": 2**31}, "weight is 2147483648; a whole number from -"),
        (pb.RequestCounts, {"map": {"a": {}}}, "map.a is an object; a whole number"),
        (pb.WorkerInfos, {"vec": [{}]}, "vec.0.id is missing"),
        (pb.WorkerInfos, {"vec": "x" * 100}, "vec is 'xxxx"),
        (pb.WorkerInfos, {}, "vec is missing"),
        (pb.WorkerResponses, {"map": {"0": {"content_type": 1}}}, "map.0.content_type is 1; an"),
    ],
)
def test_what_is_of_another_shape_is_refused_with_the_place(
    kind: Any, value: object, text: str
) -> None:
    told = refusal(kind, value)
    assert told.startswith(text), told
    assert len(told) < 150
