"""
Messages as JSON, in the shape of Sōzu's state files and of what its client prints with ``-j``.

A state file is a sequence of records: the JSON of a ``WorkerRequest``, a line feed and a NUL. An
enumeration is a number in it, what is absent is null, and of a oneof there is
``{"request_type": {"ADD_CLUSTER": …}}``. Fields of ours that are absent are not there at all.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final, NoReturn, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from sozutw.config.state import RefusedRequestError
from sozutw.control.messages.fields import OURS_FROM, is_map, is_repeated, is_required, value_of
from sozutw.control.messages.shapes import ShapeError, UnknownKeyError, reader_of
from sozutw.control.proto import command_pb2 as pb

RECORD_SIZE_MAX: Final = 2_000_000
"""Sōzu reads records of at most 200,000 bytes; here one may hold a longer certificate."""

_END: Final = b"\0"
_Message = TypeVar("_Message", bound=Message)
_Write = Callable[[Any, dict[str, Any]], None]


class BadRecordError(Exception):
    """A record that is none of ours: torn, foreign, too long."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"record {number} {reason}")
        self.number = number
        """From 1 on."""
        self.reason = reason


def to_json(message: Message) -> dict[str, Any]:
    """Return a message as what the json module writes."""
    value: dict[str, Any] = {}
    for write in _writers(message.DESCRIPTOR):
        write(message, value)
    return value


def from_json(message_class: type[_Message], value: object) -> _Message:
    """
    Return the message that ``to_json`` made into this value.

    Raises ValueError with the place and what is wrong: what is missing or of another type, a
    number that is out of range, or a key that is not known and says something.
    """
    message = message_class()
    reader_of(message.DESCRIPTOR)(message, value)
    return message


def content_to_json(content: pb.ResponseContent) -> dict[str, Any]:
    """Return what ``sozu -j`` prints of an answer; empty if it holds nothing."""
    value: dict[str, Any] = to_json(content)["content_type"] or {}
    return value


def write_records(requests: Iterable[pb.Request]) -> Iterator[bytes]:
    """Yield a record for each request."""
    for number, request in enumerate(requests):
        record = {"id": f"SAVE-{number}", "content": to_json(request)}
        yield _ENCODER.encode(record).encode() + b"\n" + _END


def read_records(data: bytes) -> Iterator[pb.Request | RefusedRequestError]:
    """
    Yield the request of each record; raises BadRecordError at the first that cannot be read.

    In the place of one that asks for more than this version knows there is a refusal: without
    what it does not know (who may connect, which requests are meant) it could let in anybody.
    """
    start, number = 0, 0
    while start < len(data):
        number += 1
        end = data.find(_END, start)
        if end < 0:
            raise BadRecordError(number, "is torn: the NUL at its end is missing")
        if end - start > RECORD_SIZE_MAX:
            size = end - start
            raise BadRecordError(
                number, f"has {size} bytes, and at most {RECORD_SIZE_MAX} are taken"
            )
        yield _read(data[start:end], number)
        start = end + len(_END)


def _read(record: bytes, number: int) -> pb.Request | RefusedRequestError:
    try:
        value = _DECODER.decode(record.decode())
    except UnicodeDecodeError:
        raise BadRecordError(number, "is no valid UTF-8") from None
    except RecursionError:
        raise BadRecordError(number, "is nested too deeply") from None
    except ValueError as error:
        raise BadRecordError(number, f"is no JSON: {error}") from None
    try:
        content = from_json(pb.WorkerRequest, value).content
    except RecursionError:
        raise BadRecordError(number, "is nested too deeply") from None
    except UnknownKeyError as error:
        return RefusedRequestError(str(error))
    except ShapeError as error:
        raise BadRecordError(number, f"is none of a state: {error}") from None
    if content.WhichOneof("request_type") is None:
        raise BadRecordError(number, "asks for nothing")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@cache
def _writers(descriptor: Descriptor) -> tuple[_Write, ...]:
    """Return a function for each key, in the order in which Sōzu writes them."""
    writers: list[_Write] = []
    told: set[str] = set()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is None:
            writers.append(_writer(field))
        elif oneof.name not in told:
            told.add(oneof.name)
            variants = {each.name: (each.name.upper(), _converter(each)) for each in oneof.fields}
            writers.append(_oneof_writer(oneof.name, variants))
    return tuple(writers)


def _writer(field: FieldDescriptor) -> _Write:
    name, convert = field.name, _converter(field)

    def write(message: Any, value: dict[str, Any]) -> None:
        value[name] = convert(getattr(message, name))

    def write_if_present(message: Any, value: dict[str, Any]) -> None:
        value[name] = convert(getattr(message, name)) if message.HasField(name) else None

    def write_if_ours(message: Any, value: dict[str, Any]) -> None:
        if message.HasField(name):
            value[name] = convert(getattr(message, name))

    if is_repeated(field) or is_required(field):
        return write
    return write_if_ours if field.number >= OURS_FROM else write_if_present


def _oneof_writer(name: str, variants: dict[str, tuple[str, Callable[[Any], Any]]]) -> _Write:
    def write(message: Any, value: dict[str, Any]) -> None:
        field = message.WhichOneof(name)
        if field is None:
            value[name] = None
        else:
            variant, convert = variants[field]
            value[name] = {variant: convert(getattr(message, field))}

    return write


def _converter(field: FieldDescriptor) -> Callable[[Any], Any]:
    if is_map(field):
        one = _scalar_converter(value_of(field))
        return lambda entries: {key: one(entries[key]) for key in sorted(entries)}
    one = _scalar_converter(field)
    return (lambda items: [one(item) for item in items]) if is_repeated(field) else one


def _scalar_converter(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type is not None:
        return to_json
    # As Rust's serde has them: numbers.
    return list if field.type == FieldDescriptor.TYPE_BYTES else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value
