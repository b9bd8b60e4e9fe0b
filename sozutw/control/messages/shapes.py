"""What JSON must look like to become a message of a kind, and the message that it becomes."""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from sozutw.control.messages.fields import OURS_FROM, is_map, is_repeated, is_required, value_of
from sozutw.control.proto import command_pb2 as pb

_Read = Callable[[Any, Any], None]
"""Takes the message to fill, and the value."""
_Check = Callable[[Any], Any]
"""Returns a value as protobuf takes it, or raises ShapeError."""

_MAY_LACK: Final = frozenset(
    {
        "sozutw.Cluster.answers",
        "sozutw.Cluster.authorized_hashes",
        "sozutw.RequestHttpFrontend.headers",
        "sozutw.HttpListenerConfig.answers",
        "sozutw.HttpsListenerConfig.answers",
        "sozutw.HttpsListenerConfig.alpn_protocols",
        "sozutw.RequestUdpFrontend.tags",
    }
)
"""Lists and maps that are younger than some files."""
_WHOLE_NUMBERS: Final = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
_FLOAT_MAX: Final = sys.float_info.max
_SHOWN_MAX: Final = 60


class ShapeError(ValueError):
    """JSON that is no such message; the text begins with the place."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._places: list[str] = []
        self._reason = reason

    def at(self, place: str) -> "ShapeError":
        """Tell that the place is within another; return the error itself."""
        self._places.append(place)
        self.args = (f"{'.'.join(reversed(self._places))} {self._reason}",)
        return self


class UnknownKeyError(ShapeError):
    """A key that this version does not know, and that says something: it is not to be lost."""


@cache
def reader_of(descriptor: Descriptor) -> _Read:
    """
    Return what fills a message of this kind; raises ShapeError for a value that is none.

    A key that is not known is passed over if it says nothing (null, false, 0, or empty), as later
    versions write what nobody asked for.
    """
    fields = [field for field in descriptor.fields if field.containing_oneof is None]
    readers = [(field.name, _reader(field), _is_needed(field)) for field in fields]
    oneofs = [
        (oneof.name, {field.name.upper(): (field.name, _reader(field)) for field in oneof.fields})
        for oneof in descriptor.oneofs
    ]
    known = {name for name, *_ in readers} | {name for name, _ in oneofs}

    def read(message: Any, value: Any) -> None:
        if not isinstance(value, dict):
            raise _other(value, "an object")
        for name, read_field, is_needed in readers:
            found = value.get(name)
            if found is not None:
                _at(name, read_field, message, found)
            elif is_needed:
                raise ShapeError("is null" if name in value else "is missing").at(name)
        for name, variants in oneofs:
            found = value.get(name)
            if found is not None:
                _read_oneof(message, name, variants, found)
        for name, found in value.items():
            if found and name not in known:
                raise UnknownKeyError("is not known here").at(name[:_SHOWN_MAX])

    return read


def _read_oneof(
    message: Any, name: str, variants: dict[str, tuple[str, _Read]], value: Any
) -> None:
    if not isinstance(value, dict) or len(value) != 1:
        raise _other(value, "an object with one key").at(name)
    ((variant, found),) = value.items()
    known = variants.get(variant)
    if known is None:
        raise ShapeError(f'has "{variant[:_SHOWN_MAX]}", which is not known').at(name)
    field, read = known
    if found is None:
        raise ShapeError("is null").at(variant)
    _at(variant, read, message, found)
    assert message.WhichOneof(name) == field


def _at(place: str, read: _Read, message: Any, value: Any) -> None:
    try:
        read(message, value)
    except ShapeError as error:
        error.at(place)
        raise
    except UnicodeEncodeError:
        raise ShapeError("is no valid text").at(place) from None


def _is_needed(field: FieldDescriptor) -> bool:
    if is_required(field):
        return True
    is_sozus = field.number < OURS_FROM and field.containing_type in _of_sozu()
    return is_repeated(field) and is_sozus and field.full_name not in _MAY_LACK


@cache
def _of_sozu() -> frozenset[Descriptor]:
    """Return the messages that are Sōzu's: all that can be had without a field of ours."""
    found: set[Any] = set()
    waiting: list[Any] = [
        message.DESCRIPTOR
        for message in (pb.Request, pb.Response, pb.WorkerRequest, pb.WorkerResponse)
    ]
    while waiting:
        descriptor = waiting.pop()
        if descriptor not in found:
            found.add(descriptor)
            waiting += [
                field.message_type
                for field in descriptor.fields
                if field.message_type is not None and field.number < OURS_FROM
            ]
    return frozenset(found)


def _reader(field: FieldDescriptor) -> _Read:
    name = field.name
    if is_map(field):
        return _map_reader(field)
    if is_repeated(field):
        return _list_reader(field)
    if field.message_type is not None:
        # Found when it is needed: a message may hold one of its own kind.
        descriptor = field.message_type

        def read_message(message: Any, value: Any) -> None:
            part = getattr(message, name)
            part.SetInParent()
            reader_of(descriptor)(part, value)

        return read_message
    check = _check_of(field)

    def read(message: Any, value: Any) -> None:
        setattr(message, name, check(value))

    return read


def _list_reader(field: FieldDescriptor) -> _Read:
    name, descriptor = field.name, field.message_type
    check = None if descriptor is not None else _check_of(field)

    def read(message: Any, value: Any) -> None:
        if not isinstance(value, list):
            raise _other(value, "a list")
        items = getattr(message, name)
        for index, item in enumerate(value):
            try:
                if check is not None:
                    items.append(check(item))
                else:
                    reader_of(descriptor)(items.add(), item)
            except ShapeError as error:
                error.at(str(index))
                raise

    return read


def _map_reader(field: FieldDescriptor) -> _Read:
    name, value_field = field.name, value_of(field)
    descriptor = value_field.message_type
    check = None if descriptor is not None else _check_of(value_field)

    def read(message: Any, value: Any) -> None:
        if not isinstance(value, dict):
            raise _other(value, "an object")
        entries = getattr(message, name)
        for key, item in value.items():
            try:
                if check is not None:
                    entries[key] = check(item)
                else:
                    reader_of(descriptor)(entries[key], item)
            except ShapeError as error:
                error.at(key)
                raise

    return read


def _check_of(field: FieldDescriptor) -> _Check:
    if field.enum_type is not None:
        numbers = frozenset(field.enum_type.values_by_number)
        return lambda value: _one_of(value, numbers)
    if field.type in _WHOLE_NUMBERS:
        least, most = _WHOLE_NUMBERS[field.type]
        return lambda value: _whole_number(value, least, most)
    return _CHECKS[field.type]


def _one_of(value: Any, numbers: frozenset[int]) -> int:
    if type(value) is not int or value not in numbers:
        raise _other(value, f"one of {', '.join(map(str, sorted(numbers)))}")
    return value


def _whole_number(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _other(value, f"a whole number from {least} to {most}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _other(value, "a text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _other(value, "true or false")
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, list):
        raise _other(value, "a list of bytes")
    return bytes(_whole_number(item, 0, 255) for item in value)


def _number(value: Any) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not abs(value) <= _FLOAT_MAX
    ):
        raise _other(value, "a number")
    return float(value)


_CHECKS: Final[dict[int, _Check]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BOOL: _flag,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _number,
}


def _other(value: Any, meant: str) -> ShapeError:
    match value:
        case None | bool():
            text = {None: "null", True: "true", False: "false"}[value]
        case dict():
            text = "an object"
        case list():
            text = "a list"
        case _:
            text = repr(value)
    text = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
    return ShapeError(f"is {text}; {meant} is meant")
