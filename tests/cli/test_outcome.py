"""What is wrong is told on stderr, or as one object."""

import json

import click
import pytest

from sozutw.cli.outcome import EXIT_STATUSES, NotDoneError, error_as_json, exit_status_of


def test_the_statuses_are_those_of_the_issue() -> None:
    assert set(EXIT_STATUSES) == {0, 1, 2, 3, 4, 5, 78, 130}


def test_advice_stands_below(capsys: pytest.CaptureFixture[str]) -> None:
    NotDoneError("it is broken", 4, "mend it", "or leave it").show()
    assert capsys.readouterr() == ("", "it is broken\n  mend it\n  or leave it\n")


def test_an_error_is_an_object() -> None:
    error = NotDoneError("ō", 4, "mend it")
    assert exit_status_of(error) == 4
    assert json.loads(error_as_json(error)) == {"error": "ō", "code": 4, "advice": ["mend it"]}
    assert json.loads(error_as_json(NotDoneError("x", 1))) == {"error": "x", "code": 1}
    assert json.loads(error_as_json(click.UsageError("x"))) == {"error": "x", "code": 2}
