"""The messages have Sōzu's names and numbers, and the generated module is what the file says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from sozutw.control.proto import command_pb2 as pb
from tests.e2e.harness import ROOT

TABLES = ROOT / "tests" / "fixtures" / "sozu-messages.txt"
OURS_FROM = 1000
"""Sōzu's numbers are smaller."""
TYPES = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("bool", "bytes", "double", "fixed32", "int32", "int64", "string", "uint32")
} | {FieldDescriptor.TYPE_UINT64: "uint64"}


def told_by_sozu() -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    name = ""
    for line in TABLES.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            told[name].append(line.strip())
        elif not line.startswith("#"):
            name = line
            told[name] = []
    return told


def type_of(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields
            return f"map<{type_of(key)},{type_of(value)}>"
        return str(field.message_type.name)
    if field.enum_type is not None:
        return str(field.enum_type.name)
    return TYPES[field.type]


def spelled(message: Descriptor, field: FieldDescriptor) -> str:
    whole = descriptor_pb2.DescriptorProto()
    message.CopyToProto(whole)
    (told,) = (each for each in whole.field if each.number == field.number)
    kind = type_of(field)
    if kind.startswith("map<"):
        label = "map"
    elif field.containing_oneof is not None:
        label = f"oneof {field.containing_oneof.name}"
    else:
        label = {1: "optional", 2: "required", 3: "repeated"}[told.label]
    if told.HasField("default_value"):
        label += f" [default {told.default_value}]"
    return f"{field.number} {field.name} {kind} {label}"


@pytest.mark.parametrize("name", [n for n in told_by_sozu() if not n.startswith("enum ")])
def test_a_message_has_sozus_fields(name: str) -> None:
    message = pb.DESCRIPTOR.message_types_by_name[name]
    fields = sorted(message.fields, key=lambda field: field.number)
    ours = [spelled(message, field) for field in fields if field.number < OURS_FROM]
    assert ours == told_by_sozu()[name]


@pytest.mark.parametrize("name", [n for n in told_by_sozu() if n.startswith("enum ")])
def test_an_enumeration_has_sozus_values(name: str) -> None:
    values = pb.DESCRIPTOR.enum_types_by_name[name.removeprefix("enum ")].values
    assert [f"{value.number} {value.name}" for value in values] == told_by_sozu()[name]


def test_the_generated_module_is_what_the_file_says(tmp_path: Path) -> None:
    if shutil.which("protoc") is None and not os.environ.get("CI"):
        pytest.skip("no protoc")
    subprocess.run([str(ROOT / "scripts" / "protocol"), str(tmp_path)], check=True, timeout=60)
    for folder in ("sozutw", "sozutw/control", "sozutw/control/proto"):
        # Else an installed package of this name would be the one that is imported.
        (tmp_path / folder / "__init__.py").touch()
    program = (
        "from sozutw.control.proto import command_pb2 as made; "
        "print(made.DESCRIPTOR.serialized_pb.hex())"
    )
    made = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert made.stdout.strip() == pb.DESCRIPTOR.serialized_pb.hex()


@pytest.mark.parametrize(
    ("message", "hexadecimal"),
    [
        (pb.Request(list_workers=pb.ListWorkers()), "22 00"),
        (pb.Request(status=pb.Status()), "62 00"),
        (pb.Request(save_state="/var/s"), "0a 06 2f 76 61 72 2f 73"),
        (pb.Response(status=pb.OK, message="ok"), "08 00 12 02 6f 6b"),
        (
            pb.Response(
                status=pb.OK,
                message="ok",
                content=pb.ResponseContent(
                    workers=pb.WorkerInfos(vec=[pb.WorkerInfo(id=0, pid=42, run_state=pb.RUNNING)])
                ),
            ),
            "08 00 12 02 6f 6b 1a 0a 0a 08 0a 06 08 00 10 2a 18 00",
        ),
        (
            pb.WorkerRequest(id="WRK-0-1-0", content=pb.Request(status=pb.Status())),
            "0a 09 57 52 4b 2d 30 2d 31 2d 30 12 02 62 00",
        ),
        (
            pb.SocketAddress(ip=pb.IpAddress(v4=0x7F000001), port=8080),
            "0a 05 0d 01 00 00 7f 10 90 3f",
        ),
        (
            pb.SocketAddress(ip=pb.IpAddress(v6=pb.Uint128(low=1, high=0)), port=8080),
            "0a 06 12 04 08 01 10 00 10 90 3f",
        ),
    ],
)
def test_a_message_is_these_bytes(message: pb.Request, hexadecimal: str) -> None:
    assert message.SerializeToString().hex(" ") == hexadecimal
    assert type(message).FromString(bytes.fromhex(hexadecimal)) == message
