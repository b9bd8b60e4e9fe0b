"""What the fields of messages are, in all versions of the protobuf package that there are."""

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

OURS_FROM: Final = 1000
"""Fields with smaller numbers are Sōzu's."""


def is_repeated(field: Any) -> bool:
    """Whether a field is a list, or a map."""
    # protobuf 7 knows is_repeated alone, and 4 knows label alone.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def is_required(field: Any) -> bool:
    """Whether a message is none without this field."""
    if hasattr(field, "is_required"):
        return bool(field.is_required)
    return bool(field.label == FieldDescriptor.LABEL_REQUIRED)


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def value_of(field: Any) -> FieldDescriptor:
    """Return the field of a map's values."""
    value: FieldDescriptor = field.message_type.fields_by_name["value"]
    return value
