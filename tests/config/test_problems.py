"""What is reported, and how it is told."""

import pytest

from sozutw.config.positions import read_positions
from sozutw.config.problems import Problem, Report, Severity

TEXT = "a = 1\nb = 2\nc = 3\n"


def report(*, skip_unsupported: bool = False) -> Report:
    return Report(read_positions(TEXT), skip_unsupported=skip_unsupported)


@pytest.mark.parametrize(
    ("severity", "spelling"),
    [
        (Severity.ERROR, "my.toml:3: wrong; meant"),
        (Severity.UNSUPPORTED, "my.toml:3: wrong; meant"),
        (Severity.WARNING, "my.toml:3: warning: wrong; meant"),
    ],
)
def test_a_problem_is_told_with_file_and_line(severity: Severity, spelling: str) -> None:
    assert Problem(3, severity, "wrong; meant").spell("my.toml") == spelling


def test_problems_come_in_the_order_of_lines() -> None:
    told = report()
    told.warn(("c",), "third")
    told.refuse(("a",), "first")
    assert [(p.line, p.text) for p in told.problems] == [(1, "first"), (3, "third")]


def test_a_warning_alone_refuses_nothing() -> None:
    told = report()
    told.warn(("a",), "odd")
    assert not told.is_refusal
    told.refuse(("b",), "wrong")
    assert told.is_refusal


def test_what_is_not_served_is_refused_by_name() -> None:
    told = report()
    told.refuse_unserved(("b",), "b", "it is left out")
    told.warn_skipped(("c",), "c goes with b")
    assert told.is_refusal
    assert told.problems == (
        Problem(
            2,
            Severity.UNSUPPORTED,
            "b is not served by this version; leave it out, or use --skip-unsupported",
        ),
    )


def test_what_may_be_skipped_is_told_so() -> None:
    told = report()
    told.refuse_or_skip(("b",), "b is too old", "it is left out")
    assert told.is_refusal
    (problem,) = told.problems
    assert problem.text == "b is too old; leave it out, or use --skip-unsupported"
    told = report(skip_unsupported=True)
    told.refuse_or_skip(("b",), "b is too old", "it is left out")
    assert not told.is_refusal
    assert told.problems[0].text == "b is too old; it is left out"


def test_what_is_not_served_is_a_warning_where_it_may_be_skipped() -> None:
    told = report(skip_unsupported=True)
    told.refuse_unserved(("b",), "b", "it is left out")
    told.warn_skipped(("c",), "c goes with b")
    assert not told.is_refusal
    assert [p.text for p in told.problems] == [
        "b is not served by this version; it is left out",
        "c goes with b",
    ]
