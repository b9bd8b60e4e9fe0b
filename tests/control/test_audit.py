"""The trail tells who did what; nothing that a client says can forge it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from sozutw.control.audit import (
    VALUE_LENGTH_MAX,
    VERBS,
    AuditEntry,
    AuditTrail,
    Fanout,
    json_line,
    sanitised,
    text_line,
)
from sozutw.control.desk import Actor
from sozutw.control.proto import command_pb2 as pb

ME = Actor(1000, 100, 4242, "sozutw", 7)
AT = 1_780_000_000.25
OK = pb.Response(status=pb.OK, message="done")
REFUSED = pb.Response(status=pb.FAILURE, message="there is no cluster 'a=b, c'")
QUESTIONS = {
    "list_workers",
    "list_frontends",
    "list_listeners",
    "status",
    "query_cluster_by_id",
    "query_clusters_by_domain",
    "query_clusters_hashes",
    "query_metrics",
    "query_certificates_from_the_state",
    "query_certificates_from_workers",
    "count_requests",
    "query_max_connections_per_ip",
    "query_health_checks",
    "explain",
    "list_sessions",
}


def entry(**more: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "ts": AT,
        "verb": "cluster_removed",
        "actor": ME,
        "target": "cluster:app",
        "is_ok": True,
        "elapsed_ms": 12,
    }
    return AuditEntry(**{**values, **more})


def test_a_line_of_text_tells_all_that_an_entry_has() -> None:
    assert text_line(entry(fanout=Fanout(1, 0, 1)), "0.1") == (
        "AUDIT Command(ts=2026-05-28T20:26:40.250000Z, verb=cluster_removed, actor_uid=1000, "
        "actor_gid=100, actor_pid=4242, actor_comm=sozutw, client_id=7, target=cluster:app, "
        "result=ok, elapsed_ms=12, fanout=ok, workers=1/0/1, sozutw_version=0.1)"
    )


def test_a_failure_is_told_with_its_reason_and_an_unknown_program_as_such() -> None:
    told = text_line(
        entry(is_ok=False, error_code="refused", reason="no, a=b", actor=ME._replace(command="")),
        "0.1",
    )
    assert "actor_comm=-," in told
    assert r"result=err, error_code=refused, reason=no\x2c a\x3db, elapsed_ms=12, soz" in told


def test_a_line_of_json_has_the_same_fields() -> None:
    told = json.loads(json_line(entry(fanout=Fanout(0, 1, 2)), "0.1"))
    assert told["actor_uid"] == 1000
    assert told["workers"] == "0/1/2"
    assert told["fanout"] == "timeout"
    assert told["ts"] == "2026-05-28T20:26:40.250000Z"


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        ((2, 0, 2), "ok"),
        ((1, 1, 2), "partial"),
        ((0, 1, 1), "failed"),
        ((1, 0, 2), "timeout"),
    ],
)
def test_how_the_workers_took_it_is_one_word(counts: tuple[int, int, int], word: str) -> None:
    assert Fanout(*counts).word == word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text/äß-é", "plain text/äß-é"),
        ("a\nb\tc\x7f\x00", r"a\x0ab\x09c\x7f\x00"),
        ("x\u202e\u2066y", r"x\u{202e}\u{2066}y"),
        ("a\u2028b\u200b\xa0", r"a\u{2028}b\u{200b}\xa0"),
        ("k=v,k\\x2c", r"k\x3dv\x2ck\x5cx2c"),
        ("\udc80", r"\u{dc80}"),
        ("-----BEGIN PRIVATE KEY-----\nsecret", "(left out)"),
    ],
)
def test_what_could_mislead_is_escaped(text: str, expected: str) -> None:
    assert sanitised(text) == expected


def test_what_is_too_long_is_cut() -> None:
    assert sanitised("x" * VALUE_LENGTH_MAX) == "x" * VALUE_LENGTH_MAX
    assert sanitised("x" * 1_000_000) == "x" * VALUE_LENGTH_MAX + "…"


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_whatever_a_client_says_a_line_has_its_fields_and_no_others(
    target: str, command: str
) -> None:
    made = entry(target=target, actor=ME._replace(command=command))
    line = text_line(made, "0.1")
    assert line.isprintable()
    assert line.encode().decode() == line
    names = [part.partition("=")[0] for part in line[len("AUDIT Command(") : -1].split(", ")]
    assert names == [
        *("ts", "verb", "actor_uid", "actor_gid", "actor_pid", "actor_comm", "client_id"),
        *("target", "result", "elapsed_ms", "sozutw_version"),
    ]
    told = json_line(made, "0.1")
    assert told.isascii()
    assert "\n" not in told
    assert list(json.loads(told)) == names


def test_every_request_is_a_question_or_leaves_a_line() -> None:
    fields = {field.name for field in pb.Request.DESCRIPTOR.fields}
    assert not QUESTIONS & VERBS.keys()
    assert fields == QUESTIONS | VERBS.keys()


class Writer:
    """Remembers lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.opened = 0
        self.fault: OSError | None = None

    def write(self, lines: bytes) -> None:
        self.lines.append(lines)

    def reopen(self) -> None:
        self.opened += 1
        if self.fault is not None:
            raise self.fault

    def close(self) -> "Deferred[None]":
        self.closed: Deferred[None] = Deferred()
        return self.closed


def noted(trail: AuditTrail, request: pb.Request, response: pb.Response, **more: Any) -> list[str]:
    with capturedLogs() as events:
        trail.note(request, ME, response, 0.0129, **more)
    return [formatEvent(event) or "" for event in events]


def test_a_request_leaves_a_line_in_the_log_and_in_each_file() -> None:
    text, lines = Writer(), Writer()
    trail = AuditTrail(lambda: AT, "0.1", text, lines)
    told = noted(trail, pb.Request(remove_cluster="{app}"), OK, fanout=Fanout(1, 0, 1))
    (line,) = told
    assert line == text_line(entry(target="cluster:{app}", fanout=Fanout(1, 0, 1)), "0.1")
    assert text.lines == [line.encode() + b"\n"]
    (made,) = lines.lines
    assert made.endswith(b"}\n")
    assert json.loads(made)["verb"] == "cluster_removed"


def test_a_refusal_leaves_a_line_with_its_reason() -> None:
    trail = AuditTrail(lambda: AT, "0.1")
    (line,) = noted(trail, pb.Request(remove_cluster="a"), REFUSED)
    assert r"error_code=refused, reason=there is no cluster 'a\x3db\x2c c'," in line
    (line,) = noted(trail, pb.Request(hard_stop={}), REFUSED, error_code="unauthorized")
    assert "verb=hard_stop_requested" in line
    assert "error_code=unauthorized" in line


def test_a_question_leaves_none() -> None:
    text = Writer()
    trail = AuditTrail(lambda: AT, "0.1", text)
    assert noted(trail, pb.Request(status={}), OK) == []
    assert noted(trail, pb.Request(), REFUSED) == []
    assert text.lines == []


def test_each_file_is_opened_anew_though_another_cannot_be() -> None:
    text, lines = Writer(), Writer()
    text.fault = OSError("no room")
    trail = AuditTrail(lambda: AT, "0.1", text, lines)
    with capturedLogs() as events:
        trail.reopen()
    assert (text.opened, lines.opened) == (1, 1)
    assert [formatEvent(event) for event in events] == [
        "the audit trail goes on in its old file: no room"
    ]
    AuditTrail(lambda: AT, "0.1").reopen()


def test_it_is_closed_when_each_of_its_files_is() -> None:
    text, lines = Writer(), Writer()
    over: list[object] = []
    AuditTrail(lambda: AT, "0.1", text, lines).close().addBoth(over.append)
    lines.closed.callback(None)
    assert over == []
    text.closed.callback(None)
    assert over == [None]
    AuditTrail(lambda: AT, "0.1").close().addBoth(over.append)
    assert over == [None, None]
