"""
Whether a message is one: what protobuf lets pass that no reader should meet.

Its library gives bytes where a text is no UTF-8, and puts a number that an enumeration does not
have aside, as it does with what comes from a later version.
"""

import operator
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from sozutw.config.state import RefusedRequestError
from sozutw.control.fields import is_map, is_repeated, value_of

try:
    from google.protobuf.unknown_fields import UnknownFieldSet
except ImportError:  # Before 4.22 it was a method of the message.
    UnknownFieldSet = operator.methodcaller("UnknownFields")  # type: ignore[assignment,misc]

_DEPTH_MAX: Final = 32
"""No request needs more than ten; one could hold itself again and again."""


def check(message: Message) -> None:
    """Raise RefusedRequestError unless all of a message can be read, and nothing is missing."""
    _check(message, "", 0)
    if not message.IsInitialized():
        missing = ", ".join(_errors_of(message))
        raise RefusedRequestError(f"the request is not whole; {missing} is missing")


def unknown_fields(message: Any, path: str = "") -> Iterator[str]:
    """Yield the place of each field, unless it is 0, that this version has no name for."""
    for unknown in _put_aside(message):
        if unknown.data:
            where = path.rstrip(".") or message.DESCRIPTOR.name
            yield f"field {unknown.field_number} of {where}"
    for field, value in message.ListFields():
        if field.message_type is not None and not is_map(field):
            for each in value if is_repeated(field) else (value,):
                yield from unknown_fields(each, f"{path}{field.name}.")


def _put_aside(message: Any) -> Iterable[Any]:
    found: Any = UnknownFieldSet(message)
    return found  # type: ignore[no-any-return]


def _check(message: Any, path: str, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise RefusedRequestError("the request is nested too deeply")
    for unknown in _put_aside(message):
        _check_unknown(message.DESCRIPTOR.fields_by_number.get(unknown.field_number), unknown, path)
    for field, value in message.ListFields():
        kind = _kind(field)
        if not kind:
            continue
        try:
            _check_field(kind, value, path + field.name, depth)
        except UnicodeDecodeError:  # Lists and maps raise it; single texts are bytes.
            raise _no_text(path + field.name) from None


def _check_field(kind: str, value: Any, place: str, depth: int) -> None:
    match kind:
        case "text":
            texts = [value]
        case "texts":
            texts = value
        case "map of texts":
            texts = [*value.keys(), *value.values()]
        case "map":
            texts = list(value)
        case "map of messages":
            texts = list(value)
            for key in texts:
                _check(value[key], f"{place}[{key}].", depth + 1)
        case "messages":
            texts = []
            for index, each in enumerate(value):
                _check(each, f"{place}[{index}].", depth + 1)
        case _:
            texts = []
            _check(value, f"{place}.", depth + 1)
    if not all(isinstance(text, str) for text in texts):
        raise _no_text(place)


def _check_unknown(field: Any, unknown: Any, path: str) -> None:
    """Refuse what was put aside although its field is known."""
    if field is None:
        return
    if field.enum_type is None or not isinstance(unknown.data, int):
        raise RefusedRequestError(f"{path}{field.name} is of another type than is meant")
    choice = ", ".join(f"{word.number} ({word.name})" for word in field.enum_type.values)
    raise RefusedRequestError(f"{path}{field.name} is {unknown.data}; one of {choice} is meant")


def _no_text(place: str) -> RefusedRequestError:
    return RefusedRequestError(f"{place} is no valid UTF-8; a text is meant")


def _errors_of(message: Any) -> list[str]:
    missing: list[str] = message.FindInitializationErrors()
    return missing


@cache
def _kind(field: FieldDescriptor) -> str:
    """Return what has to be looked at in a field; empty: nothing."""
    if is_map(field):
        field = value_of(field)
        if field.message_type is not None:
            return "map of messages"
        return "map of texts" if field.type == FieldDescriptor.TYPE_STRING else "map"
    plural = "s" if is_repeated(field) else ""
    if field.message_type is not None:
        return f"message{plural}"
    return f"text{plural}" if field.type == FieldDescriptor.TYPE_STRING else ""
