"""Records of a state file, and JSON in Sōzu's shape."""

import json
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.state import RefusedRequestError
from sozutw.control.messages.fields import OURS_FROM, is_map, is_repeated, value_of
from sozutw.control.messages.records import (
    RECORD_SIZE_MAX,
    BadRecordError,
    content_to_json,
    from_json,
    read_records,
    to_json,
    write_records,
)
from sozutw.control.messages.translate import message_of, request_of
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.requests import requests

HERE = {"ip": {"inner": {"V4": 2130706433}}, "port": 8080}
OLD = (
    b'{"id":"X-3","content":{"request_type":{"ADD_BACKEND":{"cluster_id":"app-1","backend_id":'
    b'"app-1-0","address":{"ip":{"inner":{"V4":2130706433}},"port":8080},"sticky_id":null,'
    b'"load_balancing_parameters":null,"backup":null}}}}\n\0'
)
"""From the page of the protocol; 1.1.1 wrote so."""


def record(content: object, **others: object) -> bytes:
    return json.dumps({"id": "SAVE-0", "content": content} | others).encode() + b"\n\0"


def order(variant: str, value: object) -> dict[str, Any]:
    return {"request_type": {variant: value}}


def refused(data: bytes) -> BadRecordError:
    with pytest.raises(BadRecordError) as caught:
        list(read_records(data))
    return caught.value


def test_the_example_of_the_protocol_page_is_read() -> None:
    (request,) = read_records(OLD)
    here = pb.SocketAddress(ip=pb.IpAddress(v4=2130706433), port=8080)
    meant = pb.AddBackend(cluster_id="app-1", backend_id="app-1-0", address=here)
    assert request == pb.Request(add_backend=meant)


def test_records_are_as_sozu_writes_them() -> None:
    address = pb.SocketAddress(ip=pb.IpAddress(v6=pb.Uint128(low=1, high=0)), port=80)
    rule = pb.RequestHttpFrontend(
        address=address,
        hostname="ä",
        path=pb.PathRule(kind=pb.EQUALS, value="/"),
        position=pb.TREE,
        tags={"b": "2", "a": "1"},
    )
    written = list(
        write_records([pb.Request(add_http_frontend=rule), pb.Request(remove_cluster="x")])
    )
    assert written == [
        (
            '{"id":"SAVE-0","content":{"request_type":{"ADD_HTTP_FRONTEND":{"cluster_id":null,'
            '"address":{"ip":{"inner":{"V6":{"low":1,"high":0}}},"port":80},"hostname":"ä",'
            '"path":{"kind":2,"value":"/"},"method":null,"position":2,"tags":{"a":"1","b":"2"},'
            '"redirect":null,"required_auth":null,"redirect_scheme":null,"redirect_template":null,'
            '"rewrite_host":null,"rewrite_path":null,"rewrite_port":null,"headers":[],'
            '"hsts":null}}}}\n\0'
        ).encode(),
        b'{"id":"SAVE-1","content":{"request_type":{"REMOVE_CLUSTER":"x"}}}\n\0',
    ]


@given(st.lists(requests(), max_size=4))
def test_what_was_written_is_read(orders: list[Any]) -> None:
    messages = [message_of(each) for each in orders]
    read = list(read_records(b"".join(write_records(messages))))
    assert read == messages
    assert [request_of(message) for message in read] == orders


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "asks for nothing"),
        ({"request_type": None}, "asks for nothing"),
        (None, "is none of a state: content is null"),
        (5, "is none of a state: content is 5; an object is meant"),
        ({"request_type": 5}, "is none of a state: content.request_type is 5; an object with one"),
        ({"request_type": {}}, "is none of a state: content.request_type is an object; an object"),
        (
            {"request_type": {"STATUS": {}, "SAVE_STATE": "x"}},
            "is none of a state: content.request_type is an object; an object with one key",
        ),
        (
            order("ADD_CLUSTR", {}),
            'is none of a state: content.request_type has "ADD_CLUSTR", which is not known',
        ),
        (order("STATUS", None), "is none of a state: content.STATUS is null"),
        (order("REMOVE_CLUSTER", 5), "is none of a state: content.REMOVE_CLUSTER is 5; a text"),
        (
            order("REMOVE_CLUSTER", "\ud800"),
            "is none of a state: content.REMOVE_CLUSTER is no valid text",
        ),
        (
            order("ADD_BACKEND", {"cluster_id": "a", "backend_id": "b"}),
            "is none of a state: content.ADD_BACKEND.address is missing",
        ),
        (
            order("ADD_BACKEND", {"cluster_id": None, "backend_id": "b", "address": HERE}),
            "is none of a state: content.ADD_BACKEND.cluster_id is null",
        ),
        (
            order("ADD_BACKEND", {"cluster_id": True, "backend_id": "b", "address": HERE}),
            "is none of a state: content.ADD_BACKEND.cluster_id is true; a text is meant",
        ),
        (
            order(
                "ADD_BACKEND",
                {"cluster_id": "a", "backend_id": "b", "address": HERE, "backup": 1},
            ),
            "is none of a state: content.ADD_BACKEND.backup is 1; true or false is meant",
        ),
        *(
            (
                order(
                    "ADD_BACKEND",
                    {"cluster_id": "a", "backend_id": "b", "address": HERE | {"port": port}},
                ),
                (
                    f"is none of a state: content.ADD_BACKEND.address.port is {told}; "
                    "a whole number from 0 to 4294967295 is meant"
                ),
            )
            for port, told in (
                (-1, "-1"),
                (2**32, "4294967296"),
                (80.0, "80.0"),
                (True, "true"),
                ("80", "'80'"),
                ([80], "a list"),
            )
        ),
        (
            order(
                "ADD_BACKEND",
                {
                    "cluster_id": "a",
                    "backend_id": "b",
                    "address": HERE,
                    "load_balancing_parameters": {"weight": -(2**31) - 1},
                },
            ),
            "is none of a state: content.ADD_BACKEND.load_balancing_parameters.weight is ",
        ),
        (
            order(
                "ADD_CERTIFICATE",
                {
                    "address": HERE,
                    "certificate": {
                        "certificate": "a",
                        "key": "b",
                        "certificate_chain": [],
                        "versions": [4, 6],
                        "names": [],
                    },
                },
            ),
            (
                "is none of a state: content.ADD_CERTIFICATE.certificate.versions.1 is 6; "
                "one of 0, 1, 2, 3, 4, 5 is meant"
            ),
        ),
        (
            order(
                "ADD_CERTIFICATE",
                {
                    "address": HERE,
                    "certificate": {"certificate": "a", "key": "b", "certificate_chain": "c"},
                },
            ),
            (
                "is none of a state: content.ADD_CERTIFICATE.certificate.certificate_chain is 'c'; "
                "a list is meant"
            ),
        ),
        (
            order("ADD_TCP_FRONTEND", {"cluster_id": "a", "address": HERE}),
            "is none of a state: content.ADD_TCP_FRONTEND.tags is missing",
        ),
        (
            order("ADD_TCP_FRONTEND", {"cluster_id": "a", "address": HERE, "tags": []}),
            "is none of a state: content.ADD_TCP_FRONTEND.tags is a list; an object is meant",
        ),
        (
            order("ADD_TCP_FRONTEND", {"cluster_id": "a", "address": HERE, "tags": {"b": 1}}),
            "is none of a state: content.ADD_TCP_FRONTEND.tags.b is 1; a text is meant",
        ),
        (
            order("ADD_TCP_FRONTEND", {"cluster_id": "a", "address": HERE, "tags": {"\ud800": ""}}),
            "is none of a state: content.ADD_TCP_FRONTEND.tags is no valid text",
        ),
        (
            order("BATCH", {"requests": [{}, {"request_type": {"STATUS": 5}}]}),
            "is none of a state: content.BATCH.requests.1.STATUS is 5; an object is meant",
        ),
    ],
)
def test_a_foreign_record_is_refused_with_the_place(content: object, reason: str) -> None:
    error = refused(OLD + record(content))
    assert error.number == 2
    assert error.reason.startswith(reason), error.reason
    assert str(error) == f"record 2 {error.reason}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OLD[:-1], "is torn: the NUL at its end is missing"),
        (OLD[:-30], "is torn: the NUL at its end is missing"),
        (b"\n", "is torn: the NUL at its end is missing"),
        (b"\0", "is no JSON: "),
        (b"{\0", "is no JSON: "),
        (b'{"id": NaN}\0', "is no JSON: NaN is no number"),
        (b"[" * 100_000 + b"\0", "is nested too deeply"),
        (b'"\xff"\n\0', "is no valid UTF-8"),
        (b"[]\n\0", "is none of a state: is a list; an object is meant"),
        (b'{"content":{}}\n\0', "is none of a state: id is missing"),
        (b" " * (RECORD_SIZE_MAX + 1) + b"\0", f"has {RECORD_SIZE_MAX + 1} bytes, and at most "),
    ],
)
def test_what_is_no_record_is_refused_with_its_number(data: bytes, reason: str) -> None:
    error = refused(OLD + OLD + data)
    assert error.number == 3
    assert error.reason.startswith(reason), error.reason


def test_batches_within_batches_come_to_an_end() -> None:
    begin, end = '{"request_type":{"BATCH":{"requests":[', "]}}}"
    for depth in (200, 400):
        text = begin * depth + end * depth
        data = f'{{"id":"x","content":{text}}}\n\0'.encode()
        assert refused(data).reason == "is nested too deeply"


def test_the_largest_record_and_no_record_are_taken() -> None:
    padded = OLD[:-1] + b" " * (RECORD_SIZE_MAX - len(OLD) + 1) + b"\0"
    assert len(list(read_records(padded + OLD))) == 2
    assert list(read_records(b"")) == []


@pytest.mark.parametrize("nothing", [None, False, 0, "", [], {}])
def test_what_is_not_known_and_says_nothing_is_passed_over(nothing: object) -> None:
    backend = {"cluster_id": "a", "backend_id": "b", "address": HERE, "x": nothing}
    (request,) = read_records(record(order("REMOVE_BACKEND", backend) | {"y": nothing}, z=nothing))
    assert isinstance(request, pb.Request)
    assert request.remove_backend.backend_id == "b"


@pytest.mark.parametrize("something", [True, 1, "a", [None], {"a": 0}])
def test_a_record_that_says_more_than_is_known_is_refused_alone(something: object) -> None:
    backend = {"cluster_id": "a", "backend_id": "b", "address": HERE, "client_auth": something}
    refusal, request = read_records(record(order("REMOVE_BACKEND", backend)) + OLD)
    assert isinstance(refusal, RefusedRequestError)
    assert str(refusal).endswith("REMOVE_BACKEND.client_auth is not known here")
    assert isinstance(request, pb.Request)


def test_lists_that_are_younger_than_some_files_may_be_absent() -> None:
    cluster = {
        "cluster_id": "a",
        "sticky_session": False,
        "https_redirect": False,
        "load_balancing": 0,
        "extras": {"backend_tls": {}},
    }
    (request,) = read_records(record(order("ADD_CLUSTER", cluster)))
    assert request.add_cluster.extras.HasField("backend_tls")
    assert "extras" not in to_json(pb.Cluster(cluster_id="a"))
    listener = {"trusted_proxies": None}
    assert from_json(pb.ListenerExtras, listener) == pb.ListenerExtras()


def test_bytes_are_a_list_of_numbers() -> None:
    health = pb.UdpHealthConfig(udp_probe_payload=b"\x00\xff")
    value = to_json(health)
    assert value["udp_probe_payload"] == [0, 255]
    assert from_json(pb.UdpHealthConfig, value) == health
    for wrong in ("ab", [256], [-1]):
        with pytest.raises(ValueError, match=r"^udp_probe_payload is "):
            from_json(pb.UdpHealthConfig, {"udp_probe_payload": wrong})


def test_a_duration_is_a_number() -> None:
    assert from_json(pb.ListenerExtras, {"front_timeout": 2}).front_timeout == 2.0
    for wrong in (True, "2", float("inf"), 10**400):
        with pytest.raises(ValueError, match=r"^front_timeout is .* a number is meant"):
            from_json(pb.ListenerExtras, {"front_timeout": wrong})


def test_an_answer_is_as_sozus_client_prints_it() -> None:
    content = pb.ResponseContent()
    assert content_to_json(content) == {}
    content.workers.vec.add(id=0, pid=42, run_state=pb.STOPPED)
    assert content_to_json(content) == {"WORKERS": {"vec": [{"id": 0, "pid": 42, "run_state": 2}]}}
    content.metrics.main["b"].gauge = 1
    content.metrics.main["a"].percentiles.SetInParent()
    printed = content_to_json(content)["METRICS"]["main"]
    assert list(printed) == ["a", "b"]
    assert printed["b"] == {"inner": {"GAUGE": 1}}
    assert printed["a"]["inner"]["PERCENTILES"]["p_99_9"] == 0
    content.worker_responses.map["main"].cluster_hashes.map["app"] = 2**64 - 1
    assert content_to_json(content) == {
        "WORKER_RESPONSES": {
            "map": {"main": {"content_type": {"CLUSTER_HASHES": {"map": {"app": 2**64 - 1}}}}}
        }
    }
    content.explanation.steps.add(kind="listener", because="x")
    assert content_to_json(content) == {
        "EXPLANATION": {
            "steps": [{"kind": "listener", "chosen": None, "because": "x", "passed_over": []}]
        }
    }


def filled(message: Any, depth: int = 0) -> Any:
    """Fill every field of a message, and of those in it, with something."""
    for field in message.DESCRIPTOR.fields:
        if is_map(field):
            entries = getattr(message, field.name)
            if value_of(field).message_type is None:
                entries["k"] = sample(value_of(field))
            elif depth < 4:
                filled(entries["k"], depth + 1)
        elif is_repeated(field):
            items = getattr(message, field.name)
            if field.message_type is None:
                items.append(sample(field))
            elif depth < 4:
                filled(items.add(), depth + 1)
        elif field.message_type is None:
            setattr(message, field.name, sample(field))
        elif depth < 6 and not field.containing_oneof:
            filled(getattr(message, field.name), depth + 1)
            getattr(message, field.name).SetInParent()
    return message


def sample(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return "ä\0\n"
        case FieldDescriptor.TYPE_BYTES:
            return b"\0\xff"
        case FieldDescriptor.TYPE_BOOL:
            return True
        case FieldDescriptor.TYPE_DOUBLE:
            return 0.1
    return 7


MESSAGES = sorted(pb.DESCRIPTOR.message_types_by_name)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_comes_back(name: str) -> None:
    kind = getattr(pb, name)
    for message in (filled(kind()), *variants(kind)):
        value = json.loads(json.dumps(to_json(message)))
        assert from_json(kind, value) == message


def variants(kind: Any) -> list[Any]:
    """Return a message for each member of its oneofs, as far as one can be filled."""
    found = []
    for oneof in kind.DESCRIPTOR.oneofs:
        for field in oneof.fields:
            message = kind()
            if field.message_type is None:
                setattr(message, field.name, sample(field))
            else:
                filled(getattr(message, field.name), 3)
                getattr(message, field.name).SetInParent()
            found.append(message)
    return found


def test_the_variants_are_spelled_in_capitals() -> None:
    for field in pb.Request.DESCRIPTOR.oneofs_by_name["request_type"].fields:
        message = pb.Request()
        if field.message_type is None:
            setattr(message, field.name, sample(field))
        else:
            getattr(message, field.name).SetInParent()
        (variant,) = to_json(message)["request_type"]
        assert variant == field.name.upper()
    assert (
        max(
            field.number
            for field in pb.Request.DESCRIPTOR.fields
            if field.name != field.name.lower()
        )
        < OURS_FROM
    )
