"""Reading one key after the other, and going on after a wrong one."""

from enum import Enum

import pytest

from sozutw.config.model import InetAddress
from sozutw.config.positions import read_positions
from sozutw.config.problems import Report
from sozutw.config.table import UNSIGNED_32_MAX, Reading, Table
from tests.config.conftest import CHECKS


class Colour(Enum):
    RED = "RED"
    DARK_RED = "dark-red"


def table(**values: object) -> Table:
    text = "\n".join(f"{key} = 0" for key in values)
    report = Report(read_positions(text), skip_unsupported=False)
    reading = Reading(report, "/etc/", str, CHECKS)
    return Table(reading, (), values, "a thing")


def told(of: Table) -> list[str]:
    return [problem.text for problem in of.report.problems]


@pytest.mark.parametrize(
    "read",
    [
        lambda t: t.string("x", "default"),
        lambda t: t.flag("x", "default"),
        lambda t: t.integer("x", "default"),
        lambda t: t.account("x", "default"),
        lambda t: t.seconds("x", "default"),
        lambda t: t.parsed("x", int, "default"),
        lambda t: t.checked("x", bool, "m", "default"),
        lambda t: t.file_path("x", "default"),
        lambda t: t.networks("x", "default"),
    ],
)
def test_what_is_absent_has_its_default(read: object) -> None:
    empty = table()
    assert read(empty) == "default"
    assert told(empty) == []


def test_absent_lists_and_tables_are_empty() -> None:
    empty = table()
    assert empty.texts("x") == empty.integers("x") == ()
    assert empty.mapping("x") == {}
    assert empty.tables("x", "a thing") == []
    assert empty.table("x", "a thing") is None
    assert empty.socket_address("x") is None
    assert empty.choice("x", Colour.RED) is Colour.RED


def test_what_is_right_is_returned_as_it_is_meant() -> None:
    t = table(
        s="text",
        f=False,
        i=7,
        d=3,
        e=0.5,
        z=0,
        a="[::1]:80",
        p="./x",
        q="/y",
        n=["10.0.0.0/8"],
        m={"k": "v"},
        l=["a", "b"],
        one="a",
        ids=[0, 1000],
        o="7",
        c="yes",
    )
    assert t.string("s", None) == "text"
    assert t.flag("f", default=True) is False
    assert t.integer("i", 0) == 7
    assert (t.seconds("d", 1.0), t.seconds("e", 1.0)) == (3.0, 0.5)
    assert t.seconds("z", 1.0, may_be_zero=True) == 0.0
    assert t.socket_address("a") == InetAddress("::1", 80)
    assert (t.file_path("p", None), t.file_path("q", None)) == ("/etc/x", "/y")
    assert [str(network) for network in t.networks("n", ())] == ["10.0.0.0/8"]
    assert t.mapping("m") == {"k": "v"}
    assert (t.texts("l"), t.texts("one")) == (("a", "b"), ("a",))
    assert t.integers("ids") == (0, 1000)
    assert (t.account("i", None), t.account("s", None)) == (7, "text")
    assert t.parsed("o", int, None) == 7
    assert t.checked("c", bool, "something", None) == "yes"
    assert told(t) == []


@pytest.mark.parametrize("spelling", ["dark-red", "DARK_RED", "dark_red"])
def test_choices_do_not_look_at_case_and_dashes(spelling: str) -> None:
    assert table(x=spelling).choice("x", Colour.RED) is Colour.DARK_RED


@pytest.mark.parametrize(
    ("value", "read", "text"),
    [
        (1, lambda t: t.string("x", "default"), "x is 1; a text in quotes is meant"),
        (True, lambda t: t.integer("x", "default"), "x is true; a whole number from 0 to"),
        (True, lambda t: t.account("x", "default"), "x is true; a name, or a number from 0 to"),
        (-1, lambda t: t.account("x", "default"), "x is -1; a name, or a number"),
        (2**32 - 1, lambda t: t.account("x", "default"), "x is 4294967295; a name, or a number"),
        ("", lambda t: t.account("x", "default"), 'x is ""; a name, or a number'),
        (1.5, lambda t: t.integer("x", "default"), "x is 1.5; a whole number"),
        (-1, lambda t: t.integer("x", "default"), "x is -1; a whole number from 0"),
        (8, lambda t: t.integer("x", "default", 1, 7), "x is 8; a whole number from 1 to 7"),
        ("true", lambda t: t.flag("x", "default"), 'x is "true"; true or false is meant'),
        (0, lambda t: t.seconds("x", "default"), "a number of seconds, more than 0, is meant"),
        (True, lambda t: t.seconds("x", "default"), "a number of seconds"),
        ("1", lambda t: t.seconds("x", "default"), "a number of seconds"),
        (-1, lambda t: t.seconds("x", "default", may_be_zero=True), "seconds, 0 or more, is"),
        (float("nan"), lambda t: t.seconds("x", "default"), "a number of seconds"),
        (float("inf"), lambda t: t.seconds("x", "default"), "a number of seconds"),
        (UNSIGNED_32_MAX + 1, lambda t: t.seconds("x", "default"), "a number of seconds"),
        ("no", lambda t: t.parsed("x", int, "default"), 'x is "no"; invalid literal'),
        ("no", lambda t: t.checked("x", str.isdigit, "a digit is meant", "default"), "a digit is"),
        ("", lambda t: t.file_path("x", "default"), "the path of a file is meant"),
        ("a\0", lambda t: t.file_path("x", "default"), 'x is "a\N{REPLACEMENT CHARACTER}"; the'),
    ],
)
def test_what_is_wrong_is_told_and_has_its_default(value: object, read: object, text: str) -> None:
    t = table(x=value)
    assert read(t) == "default"
    (problem,) = told(t)
    assert text in problem


@pytest.mark.parametrize(
    ("value", "read", "text"),
    [
        ("blue", lambda t: t.choice("x", Colour.RED), 'x is "blue"; one of RED, dark-red is meant'),
        (["a", 1], lambda t: t.texts("x"), "x has 1; a text is meant"),
        ({}, lambda t: t.texts("x"), "x is a table; a list is meant"),
        ([True], lambda t: t.integers("x"), "x has true; a whole number is meant"),
        ([-1], lambda t: t.integers("x"), "x has -1; a whole number is meant"),
        (["ten"], lambda t: t.networks("x", ()), 'x has "ten"; a network such as'),
        ([[]], lambda t: t.tables("x", "y"), "x has a list; a table is meant"),
        ("y", lambda t: t.table("x", "y"), 'x is "y"; a table is meant'),
        ({"k": 1}, lambda t: t.mapping("x"), "k is 1; a text in quotes is meant"),
        ("y" * 80, lambda t: t.table("x", "y"), 'x is "' + "y" * 59 + "…; a table is meant"),
    ],
)
def test_what_is_wrong_within_is_told_too(value: object, read: object, text: str) -> None:
    t = table(x=value)
    read(t)
    (problem,) = told(t)
    assert text in problem


def test_tables_within_tables_know_where_they_stand() -> None:
    t = table(x={"y": [{"z": 1}]})
    inner = t.table("x", "an inner thing")
    assert inner is not None
    (innermost,) = inner.tables("y", "an innermost thing")
    assert innermost.at("z") == ("x", "y", 0, "z")
    assert list(innermost) == ["z"]


def test_keys_that_no_one_read_are_unknown() -> None:
    t = table(read=1, asked=2, reed=3, other=4, taken=5)
    t.integer("read", 0)
    assert "asked" in t
    assert "absent" not in t
    t.know("taken")
    assert (t.knows("taken"), t.knows("other")) == (True, False)
    t.refuse_unknown()
    assert told(t) == [
        "unknown key reed; did you mean read?",
        "unknown key other; a thing has no such key",
    ]


def test_only_a_key_that_was_written_is_not_served() -> None:
    t = table(x=1)
    t.refuse_unserved("x", "it is left out")
    t.refuse_unserved("y", "it is left out")
    t.warn("x", "odd")
    assert [text[:5] for text in told(t)] == ["x is ", "odd"]
