import pytest

from sozutw.wire.message import (
    UNKNOWN_LENGTH,
    RequestFields,
    RequestHead,
    ResponseFields,
    ResponseHead,
)


def _request(fields: RequestFields) -> RequestHead:
    return RequestHead(b"GET", b"/", 1, b"H:80", b"h", fields, keeps_alive=True, size=20)


@pytest.mark.parametrize(
    ("length", "is_chunked", "body_length"),
    [(None, False, 0), (0, False, 0), (7, False, 7), (None, True, UNKNOWN_LENGTH)],
)
def test_the_length_of_a_request_body_follows_from_its_fields(
    length: int | None, is_chunked: bool, body_length: int
) -> None:
    fields = RequestFields()
    fields.length, fields.is_chunked = length, is_chunked
    assert _request(fields).body_length == body_length


def test_a_request_head_holds_what_it_is_given() -> None:
    head = _request(RequestFields())
    assert (head.method, head.target, head.minor) == (b"GET", b"/", 1)
    assert (head.authority, head.host, head.keeps_alive, head.size) == (b"H:80", b"h", True, 20)


def test_a_response_head_holds_what_it_is_given() -> None:
    fields = ResponseFields()
    head = ResponseHead(200, b"OK", 1, fields, body_length=5, keeps_alive=False, size=30)
    assert (head.status, head.reason, head.minor) == (200, b"OK", 1)
    assert head.fields is fields
    assert (head.body_length, head.keeps_alive, head.size) == (5, False, 30)
