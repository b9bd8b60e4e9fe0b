"""Requests as they come over the command socket: read, or refused with what is wrong in them."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from sozutw.control.proto import command_pb2 as pb

BATCH_MAX: Final = 10_000
"""How many orders a batch may have; a state file may have any number."""
_NAMES_MAX: Final = 5
"""How many missing fields are told by name."""


class UnreadableRequestError(Exception):
    """What came is no request of ours; the text can be shown to whoever sent it."""


def read_request(message: bytes) -> pb.Request:
    """
    Return the request in ``message``.

    It has all required fields, one verb, and no text that is not UTF-8. Raises
    UnreadableRequestError.
    """
    request = pb.Request()
    try:
        request.MergeFromString(message)
    except (DecodeError, UnicodeDecodeError) as fault:
        raise UnreadableRequestError(f"this is no request: {fault}") from fault
    if request.WhichOneof("request_type") is None:
        raise UnreadableRequestError(_without_verb(message))
    if len(request.batch.requests) > BATCH_MAX:
        raise UnreadableRequestError(
            f"the batch has {len(request.batch.requests)} orders; at most {BATCH_MAX} are meant, "
            "or a state file and load_state"
        )
    untyped: Any = request  # Its types leave this method out.
    missing = untyped.FindInitializationErrors()
    if missing:
        names = ", ".join(missing[:_NAMES_MAX])
        more = f" and {len(missing) - _NAMES_MAX} more" if len(missing) > _NAMES_MAX else ""
        # A number that an enumeration does not have counts as absent.
        raise UnreadableRequestError(
            f"required, but missing or without a known value: {names}{more}"
        )
    name = next(not_utf8(request), None)
    if name is not None:
        raise UnreadableRequestError(f"{name} is not UTF-8")
    return request


def not_utf8(message: Message, prefix: str = "") -> Iterator[str]:
    """Name the fields of ``message`` with texts that are not UTF-8: protobuf lets them pass."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            if not _is_text(value):
                yield prefix + field.name
        elif field.message_type is None:
            continue
        elif isinstance(value, Message):
            yield from not_utf8(value, f"{prefix}{field.name}.")
        elif field.message_type.GetOptions().map_entry:
            if not _is_map_of_text(value):
                yield prefix + field.name
        else:
            for index, each in enumerate(value):
                yield from not_utf8(each, f"{prefix}{field.name}[{index}].")


def _is_text(value: str | bytes | Iterable[str | bytes]) -> bool:
    if isinstance(value, str | bytes):
        return isinstance(value, str)
    return not any(isinstance(each, bytes) for each in value)


def _is_map_of_text(value: Any) -> bool:
    # No map in a request has messages for its values.
    try:
        return all(_is_text(each) for pair in value.items() for each in pair)
    except UnicodeDecodeError:
        return False


def _without_verb(message: bytes) -> str:
    """Say why there is no verb: the first field of ``message``, if any, is none that we have."""
    if not message:
        return "the request is empty: it asks for nothing"
    size = next(at for at, byte in enumerate(message, 1) if byte < 0x80)  # noqa: PLR2004
    tag = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(message[:size]))
    number = tag >> 3
    known = pb.Request.DESCRIPTOR.fields_by_number.get(number)
    if known is not None:
        return f"{known.name} has a value that is not known here"
    return f"the request asks for number {number}, which is not known here"
