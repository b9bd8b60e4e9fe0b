import os
import re
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogBeginner, Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from sozutw.config.log_filter import LogFilter
from sozutw.process.logs import log
from sozutw.process.logs.log import (
    TEXT_CHARACTERS_MAX,
    LineObserver,
    begin_logging,
    make_observer,
    set_log_filter,
)


class Kept:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, lines: bytes) -> None:
        self.text += lines.decode()

    def reopen(self) -> None:
        raise NotImplementedError

    def close(self) -> "Deferred[None]":
        return succeed(None)


def logged(level: str = "info", **options: Any) -> tuple[Logger, Kept]:
    kept = Kept()
    observer = LineObserver(kept, LogFilter.parse(level), "MAIN", **options)
    return Logger(namespace="sozutw.test", observer=observer), kept


def text_of(kept: Kept) -> str:
    assert kept.text.endswith("\n")
    assert kept.text.count("\t") == 1
    return kept.text.partition("\t")[2][:-1]


def test_a_line_has_time_process_level_tag_and_text() -> None:
    kept = Kept()
    LineObserver(kept, LogFilter.parse("info"), "MAIN")(
        {
            "log_format": "{n} things",
            "n": 3,
            "log_time": 1_790_000_000.25,
            "log_level": LogLevel.warn,
            "log_namespace": "sozutw.test",
        }
    )
    assert kept.text == (
        f"2026-09-21T14:13:20.250000Z 1790000000250000000 {os.getpid()} WARN MAIN\t3 things\n"
    )


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["DEBUG", "INFO", "WARN", "ERROR", "ERROR"]),
        ("warn", ["WARN", "ERROR", "ERROR"]),
        ("warn,sozutw.test=info", ["INFO", "WARN", "ERROR", "ERROR"]),
        ("off", []),
    ],
)
def test_the_filter_decides_what_is_written(level: str, said: list[str]) -> None:
    logger, kept = logged(level)
    for name in ("debug", "info", "warn", "error", "critical"):
        getattr(logger, name)("text")
    assert re.findall(r" ([A-Z]+) MAIN\t", kept.text) == said


def test_the_filter_may_be_replaced() -> None:
    kept = Kept()
    observer = LineObserver(kept, LogFilter.parse("error"), "MAIN")
    observer.log_filter = LogFilter.parse("debug")
    Logger(namespace="a", observer=observer).debug("heard")
    assert text_of(kept) == "heard"


def test_colours_stand_around_the_level_only() -> None:
    logger, kept = logged(is_colored=True)
    logger.error("red")
    assert " \x1b[31mERROR\x1b[0m MAIN\tred\n" in kept.text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("a\nforged", "a\\x0aforged"),
        ("a\x1b[2J\r\x7f\t", "a\\x1b[2J\\r\\x7f\\t"),
        ("Sōzu — ü 漢", "Sōzu — ü 漢"),
        ("\u202egnirts\u2028", "\\u202egnirts\\u2028"),
        ("\udcff", "\\udcff"),
        ("x" * (TEXT_CHARACTERS_MAX + 1), "x" * TEXT_CHARACTERS_MAX + "..."),
    ],
)
def test_no_text_begins_a_line_or_reaches_the_terminal(said: str, text: str) -> None:
    logger, kept = logged()
    logger.info("{said}", said=said)
    assert text_of(kept) == text


def test_a_traceback_follows_its_line_indented() -> None:
    logger, kept = logged()
    logger.failure("while testing", failure=Failure(ValueError("bad\n2026 forged \x1b[2J")))
    first, *rest = kept.text.splitlines()
    assert first.endswith("\twhile testing")
    assert all(line.startswith("\t") for line in rest)
    assert any("ValueError: bad" in line for line in rest)
    assert "\x1b" not in kept.text


def test_a_failure_without_text_is_its_traceback() -> None:
    logger, kept = logged()
    logger.failure("", failure=Failure(ValueError("bad")))
    assert "ValueError: bad" in kept.text


def test_a_failure_that_cannot_be_shown_is_no_failure_of_the_log() -> None:
    class Faulty:
        def getTraceback(self) -> str:
            raise RuntimeError

    logger, kept = logged()
    logger.error("text", log_failure=Faulty())
    assert "(a failure that cannot be shown: RuntimeError)" in kept.text


def test_an_event_without_level_or_time_is_written_all_the_same() -> None:
    kept = Kept()
    LineObserver(kept, LogFilter.parse("info"), "MAIN")({"log_format": "bare"})
    assert text_of(kept) == "bare"
    assert kept.text.startswith("1970-01-01T00:00:00.000000Z 0 ")


def test_an_observer_is_made_from_settings(tmp_path: Any) -> None:
    target = f"file://{tmp_path}/a.log"
    observer = make_observer(MemoryReactorClock(), target, "info", tag="T", is_colored=True)
    Logger(namespace="a", observer=observer).info("text")
    assert (tmp_path / "a.log").read_text().endswith(" INFO T\ttext\n")
    observer.writer.close()


@pytest.mark.parametrize(("target", "level"), [("nowhere", "info"), ("stdout", "loud=very")])
def test_settings_that_are_none_are_refused(target: str, level: str) -> None:
    with pytest.raises(ValueError, match="is meant"):
        make_observer(MemoryReactorClock(), target, level)


def test_what_was_logged_before_logging_began_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = LogPublisher()

    class NoWarnings:
        showwarning = None

    class NoStreams:
        stdout = stderr = None

    class Stream:
        def write(self, text: str) -> None:
            raise AssertionError(text)

    beginner = LogBeginner(publisher, Stream(), NoStreams, NoWarnings)  # type: ignore[arg-type]
    monkeypatch.setattr(log, "globalLogBeginner", beginner)
    Logger(namespace="a", observer=publisher).info("early")
    kept = Kept()
    begin_logging(LineObserver(kept, LogFilter.parse("info"), "MAIN"))
    Logger(namespace="a", observer=publisher).info("late")
    assert [line.partition("\t")[2] for line in kept.text.splitlines()] == ["early", "late"]
    assert NoStreams.stdout is None


def test_another_filter_holds_from_the_next_line_on() -> None:
    kept = Kept()
    observer = LineObserver(kept, LogFilter.parse("info"), "MAIN")
    logger = Logger(namespace="sozutw.test", observer=observer)
    logger.debug("before")
    assert set_log_filter(observer, "warn,sozutw.test=debug")
    logger.debug("after")
    assert text_of(kept) == "after"


def test_a_text_that_is_no_filter_changes_nothing() -> None:
    kept = Kept()
    observer = LineObserver(kept, LogFilter.parse("info"), "MAIN")
    with pytest.raises(ValueError, match="is not a level"):
        set_log_filter(observer, "sozutw=loud")
    Logger(namespace="sozutw.test", observer=observer).info("still")
    assert text_of(kept) == "still"


def test_a_log_of_twistd_s_has_no_filter() -> None:
    assert not set_log_filter(None, "debug")
    with pytest.raises(ValueError, match="is not a level"):
        set_log_filter(None, "sozutw=loud")
