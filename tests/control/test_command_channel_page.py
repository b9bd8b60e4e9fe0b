"""The tables of doc/command-channel.md are what command.proto and the code say."""

import importlib.util
import os
import re
from types import ModuleType

import pytest

from sozutw.control.channel.connection import BACKLOG_BYTES_MAX
from sozutw.control.channel.server import CLIENTS_MAX, IDLE_SECONDS, STOP_SECONDS
from sozutw.control.events import SUBSCRIBERS_MAX
from sozutw.control.messages.unserved import VERBS as UNSERVED
from sozutw.control.proto import command_pb2 as pb
from tests.control.test_wire_format import GRANTED
from tests.own_coverage import ROOT

PATH = ROOT / "doc" / "command-channel.md"


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("page", ROOT / "scripts" / "command_channel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_up_to_date(made: ModuleType) -> None:
    text = PATH.read_text(encoding="utf-8")
    assert made.page(text) == text, "scripts/command-channel makes them anew"
    assert os.access(ROOT / "scripts" / "command-channel", os.X_OK)


def test_every_verb_is_told_once(made: ModuleType) -> None:
    verbs = {field.name for field in pb.Request.DESCRIPTOR.fields}
    assert made.SERVED.keys() | UNSERVED.keys() == verbs
    assert not made.SERVED.keys() & UNSERVED.keys()


def test_the_content_is_what_the_verb_really_answers(made: ModuleType) -> None:
    members = pb.ResponseContent.DESCRIPTOR.fields_by_number
    for case in GRANTED:
        if case.name in made.SERVED:
            content = members[case.content].name if case.content else ""
            assert made.SERVED[case.name].content == content, case.name


def test_every_event_is_told() -> None:
    text = PATH.read_text(encoding="utf-8")
    told = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text))
    assert set(pb.EventKind.keys()) <= told


def test_the_limits_are_those_of_the_code() -> None:
    text = PATH.read_text(encoding="utf-8")
    assert f"- {CLIENTS_MAX} clients are connected" in text
    assert f"asked nothing for {IDLE_SECONDS:g} s" in text
    assert f"once {BACKLOG_BYTES_MAX >> 20} MiB wait" in text
    assert f"under way have {STOP_SECONDS:g} s" in text
    assert f"| {SUBSCRIBERS_MAX} subscribe already |" in text
