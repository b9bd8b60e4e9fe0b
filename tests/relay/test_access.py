import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.relay import access
from sozutw.relay.access import (
    NO_TAGS,
    PATH_BYTES_MAX,
    VALUE_BYTES_MAX,
    AccessRecord,
    Tags,
    render_ascii,
    render_json,
)
from sozutw.wire.tls import ClientCertificate, TlsFacts

PLAIN = AccessRecord(
    time_ns=1_790_000_000_123_456_789,
    session_id=b"01SESSION",
    request_id=b"01REQUEST",
    cluster_id="app",
    backend_id="app-0",
    client_address="192.0.2.7:40000",
    backend_address="127.0.0.1:8000",
    request_us=12_000,
    service_us=100,
    response_us=2_000,
    client_rtt_us=45,
    backend_rtt_us=7,
    bytes_in=120,
    bytes_out=3456,
    tags=NO_TAGS,
    user_agent=b"curl/8.0",
    protocol="HTTP",
    method=b"GET",
    authority=b"example.com",
    path=b"/a?b=c",
    status=200,
    reason=b"OK",
    message="H1::Complete",
    is_error=False,
    x_request_id=b"",
    xff_chain=b"",
)
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \d+ \d+ (INFO|ERROR)-ACCESS [!-~]+\t"
    r"\[[^ ]+ [^ ]+ [^ ]+ [^ ]+\] [^ ]+ [^ ]+ [^ /]+/[^ /]+/[^ /]+/[^ /]+/[^ /]+ \d+ \d+ "
    r"\[[^\]]*\] None [A-Z]+ (-|[^ ]+ [^ ]+ [^ ]+ (\d{3}|-))( \| .*)?\n"
)


def ascii_of(**changes: Any) -> str:
    return render_ascii([PLAIN._replace(**changes)], 123, "MAIN").decode()


def json_of(**changes: Any) -> dict[str, Any]:
    told = json.loads(render_json([PLAIN._replace(**changes)], 123, "MAIN"))
    assert isinstance(told, dict)
    return told


def test_a_plain_exchange_is_written_as_sozu_writes_it() -> None:
    assert ascii_of() == (
        "2026-09-21T14:13:20.123456Z 1790000000123456789 123 INFO-ACCESS MAIN\t"
        "[01SESSION 01REQUEST app app-0] 192.0.2.7:40000 127.0.0.1:8000 "
        "12ms/100μs/2000μs/45μs/7000ns 120 3456 [user-agent=curl/8.0] None "
        "HTTP example.com GET /a?b=c 200 | H1::Complete\n"
    )


def test_what_is_missing_is_a_dash() -> None:
    line = ascii_of(
        session_id=b"",
        request_id=b"",
        cluster_id="",
        backend_id="",
        client_address="",
        backend_address="",
        response_us=None,
        client_rtt_us=0,
        backend_rtt_us=0,
        user_agent=b"",
        method=b"",
        authority=b"",
        path=b"",
        status=0,
        message="",
    )
    assert line.endswith("\t[- - - -] - - 12ms/100μs/-/-/- 120 3456 [-] None HTTP - - - -\n")


def test_a_tcp_session_has_no_endpoint() -> None:
    assert ascii_of(protocol="TCP", message="").endswith(" None TCP -\n")


def test_a_fault_is_told_at_the_error_level() -> None:
    assert " 123 ERROR-ACCESS MAIN\t" in ascii_of(is_error=True)


def test_colours_stand_around_the_level_only_if_asked_for() -> None:
    plain = render_ascii([PLAIN], 123, "MAIN")
    colored = render_ascii([PLAIN], 123, "MAIN", is_colored=True)
    assert b"\x1b" not in plain
    assert re.sub(rb"\x1b\[\d+m", b"", colored) == plain


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0ns"),
        (-0.5, "0ns"),
        (0.000_009, "9000ns"),
        (0.000_01, "10μs"),
        (0.009_999, "9999μs"),
        (0.01, "10ms"),
        (1.001, "1001ms"),
        (9.999_9, "9999ms"),
        (10.0, "10s"),
        (86_400.7, "86400s"),
    ],
)
def test_a_duration_takes_the_unit_that_leaves_two_digits(seconds: float, text: str) -> None:
    assert f" {text}/100μs/2000μs/" in ascii_of(request_us=round(seconds * 1e6))


def test_times_of_one_batch_keep_their_own_second() -> None:
    second = 1_000_000_000
    records = [PLAIN._replace(time_ns=n) for n in (0, 999_999_000, second, second + 1_000)]
    stamps = [line.split(b" ")[0] for line in render_ascii(records, 1, "T").splitlines()]
    assert stamps == [
        b"1970-01-01T00:00:00.000000Z",
        b"1970-01-01T00:00:00.999999Z",
        b"1970-01-01T00:00:01.000000Z",
        b"1970-01-01T00:00:01.000001Z",
    ]


def test_tags_stand_before_the_user_agent() -> None:
    tags = Tags({"owner": "me", "kind": "[x]"})
    assert "[owner=me, kind={x}, user-agent=a_{b}]" in ascii_of(tags=tags, user_agent=b"a [b]")
    assert "[owner=me, kind={x}] None" in ascii_of(tags=tags, user_agent=b"")


def test_tags_do_not_follow_what_they_were_made_from() -> None:
    mapping = {"a": "1"}
    tags = Tags(mapping)
    mapping["a"] = "2"
    assert tags.mapping == {"a": "1"}


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("path", b"/\n2026 forged", "/\\x0a2026\\x20forged"),
        ("path", b"/a b", "/a\\x20b"),
        ("path", b"/\\x0a", "/\\x5cx0a"),
        ("path", b"/\xc3\xa9", "/\\xc3\\xa9"),
        ("authority", b"a b", "a\\x20b"),
        ("method", b"G\tT", "G\\x09T"),
        ("user_agent", b"a\x1b[2J\x7f", "user-agent=a\\x1b{2J\\x7f"),
        ("message", "it said é\r\n", "| it said \\xc3\\xa9\\x0d\\x0a"),
        ("message", "\ud800", "| ?"),
        ("cluster_id", "é ]", "\\xc3\\xa9\\x20}"),
    ],
)
def test_what_could_break_a_line_is_escaped(field: str, value: object, text: str) -> None:
    assert text in ascii_of(**{field: value})


def test_long_values_are_cut_and_say_so() -> None:
    line = ascii_of(path=b"/" + b"a" * PATH_BYTES_MAX, message="m" * 9999)
    assert "/" + "a" * (PATH_BYTES_MAX - 1) + "... 200" in line
    assert line.endswith("m" * VALUE_BYTES_MAX + "...\n")
    assert len(ascii_of(path=b"\0" * 99_999, user_agent=b"\0" * 99_999)) < 14_000


@given(
    hostile=st.fixed_dictionaries(
        {name: st.binary(max_size=40) for name in ("method", "authority", "path", "user_agent")}
    ),
    message=st.text(max_size=20),
    backend_id=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_nothing_makes_a_second_line_or_moves_a_column(
    hostile: dict[str, bytes], message: str, backend_id: str
) -> None:
    line = ascii_of(**hostile, message=message, backend_id=backend_id)
    assert LINE.fullmatch(line), line
    bare = line[:-1].replace("\t", "").replace("μ", "")
    assert bare.isascii()
    assert bare.isprintable()


def test_json_tells_the_same() -> None:
    told = json_of(tags=Tags({"owner": "me"}), x_request_id=b"x1", xff_chain=b"10.0.0.1")
    assert told == {
        "time": "2026-09-21T14:13:20.123456Z",
        "time_ns": 1790000000123456789,
        "pid": 123,
        "tag": "MAIN",
        "level": "info",
        "session_id": "01SESSION",
        "request_id": "01REQUEST",
        "cluster_id": "app",
        "backend_id": "app-0",
        "client_address": "192.0.2.7:40000",
        "backend_address": "127.0.0.1:8000",
        "request_time_us": 12_000,
        "service_time_us": 100,
        "response_time_us": 2_000,
        "client_rtt_us": 45,
        "backend_rtt_us": 7,
        "bytes_in": 120,
        "bytes_out": 3456,
        "tags": {"owner": "me"},
        "user_agent": "curl/8.0",
        "protocol": "HTTP",
        "method": "GET",
        "authority": "example.com",
        "path": "/a?b=c",
        "status": 200,
        "reason": "OK",
        "message": "H1::Complete",
        "x_request_id": "x1",
        "xff_chain": "10.0.0.1",
    }


def test_json_tells_what_is_unknown_as_null() -> None:
    told = json_of(status=0, response_us=None, path=b"", backend_rtt_us=0, message="")
    keys = ("status", "response_time_us", "path", "backend_rtt_us", "message", "x_request_id")
    assert all(told[key] is None for key in keys)
    assert json_of(is_error=True)["level"] == "error"


@given(path=st.binary(max_size=60), message=st.text(max_size=30))
def test_json_is_one_line_of_printable_ascii(path: bytes, message: str) -> None:
    line = render_json([PLAIN._replace(path=path, message=message)], 1, "T").decode("ascii")
    assert line[:-1].isprintable()
    assert json.loads(line)["message"] == (message or None)


def test_json_cuts_long_values() -> None:
    assert json_of(path=b"/" * 9999)["path"] == "/" * PATH_BYTES_MAX


def test_a_batch_is_its_lines_one_after_another() -> None:
    other = PLAIN._replace(path=b"/other")
    assert render_ascii([PLAIN, other], 1, "T") == (
        render_ascii([PLAIN], 1, "T") + render_ascii([other], 1, "T")
    )
    assert render_json([PLAIN, other], 1, "T").count(b"\n") == 2
    assert render_ascii([], 1, "T") == render_json([], 1, "T") == b""


def test_what_is_remembered_of_clients_is_bounded() -> None:
    records = [PLAIN._replace(user_agent=b"agent-%d" % n) for n in range(access._KNOWN_MAX + 2)]
    lines = render_ascii(records, 1, "MAIN").splitlines()
    assert len(access._known) <= access._KNOWN_MAX
    assert b"user-agent=agent-0]" in lines[0]
    assert b"user-agent=agent-%d]" % (access._KNOWN_MAX + 1) in lines[-1]


def test_json_tells_what_a_handshake_settled_and_nothing_of_tls_without_one():
    assert not [key for key in json_of() if key.startswith("tls")]
    facts = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "a.example", "http/1.1", True)
    told = json_of(tls=facts, protocol="HTTPS")
    assert told["protocol"] == "HTTPS"
    assert told["tls_version"] == "TLSv1.3"
    assert told["tls_cipher"] == "TLS_AES_256_GCM_SHA384"
    assert told["tls_sni"] == "a.example"
    assert told["tls_alpn"] == "http/1.1"
    assert told["tls_resumed"] is True
    assert "tls_client_subject" not in told


def test_json_tells_whose_certificate_was_shown():
    client = ClientCertificate("CN=" + "a" * 2 * VALUE_BYTES_MAX, "ab" * 32)
    told = json_of(tls=TlsFacts("TLSv1.2", "X", client=client))
    assert told["tls_sni"] is None
    assert told["tls_alpn"] is None
    assert len(told["tls_client_subject"]) == VALUE_BYTES_MAX
    assert told["tls_client_fingerprint"] == "ab" * 32
