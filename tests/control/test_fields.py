"""What the fields of messages are, whichever protobuf package is there."""

from types import SimpleNamespace

import pytest

from sozutw.control.fields import is_map, is_repeated, is_required, value_of
from sozutw.control.proto import command_pb2 as pb

FIELDS = pb.Cluster.DESCRIPTOR.fields_by_name


@pytest.mark.parametrize(
    ("name", "repeated", "required", "map_"),
    [
        ("cluster_id", False, True, False),
        ("answers", True, False, True),
        ("authorized_hashes", True, False, False),
        ("udp", False, False, False),
    ],
)
def test_a_field_is_told_apart(name: str, repeated: bool, required: bool, map_: bool) -> None:
    field = FIELDS[name]
    assert is_repeated(field) is repeated
    assert is_required(field) is required
    assert is_map(field) is map_


def test_an_older_package_tells_it_by_a_label() -> None:
    for label in (1, 2, 3):
        field = SimpleNamespace(label=label)
        assert is_repeated(field) is (label == 3)
        assert is_required(field) is (label == 2)


def test_the_value_of_a_map_is_a_field() -> None:
    assert value_of(FIELDS["answers"]).name == "value"
