import json

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.relay import templates
from sozutw.relay.answers import Answer, Answers, Template, TemplateError, location

BUILT_IN = Answers({})
HTML = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n"


def read(answer: Answer, *, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    """Read it as an independent client would; nothing may be left over."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer.data)
    head = client.next_event()
    assert isinstance(head, h11.Response)
    names = [name for name, _ in head.headers]
    assert len(names) == len(set(names)), names
    body = b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += bytes(event.data)
    assert client.trailing_data == (b"", False)
    assert answer.body_bytes == len(body)
    assert answer.closes == (client.their_state is h11.MUST_CLOSE)
    return head.status_code, dict(head.headers), body


def compose(text: str, status: int = 404, **variables: bytes) -> Answer:
    return Answers({str(status): text}).compose(status, False, False, 1, b"", **variables)


def refusal(text: str, status: int = 404) -> str:
    with pytest.raises(TemplateError) as caught:
        Template.parse(status, text)
    return str(caught.value)


@pytest.mark.parametrize("status", sorted(templates.BUILT_IN))
@pytest.mark.parametrize("must_close", [False, True])
def test_a_built_in_answer_is_a_whole_response(status: int, must_close: bool) -> None:
    answer = BUILT_IN.compose(
        status, must_close, False, 1, b"Sozu-Id: 01X", redirect_location=b"https://a/"
    )
    got, fields, body = read(answer)
    assert got == status
    assert answer.closes == must_close
    assert fields[b"sozu-id"] == b"01X"
    if status in templates.REDIRECTS:
        assert fields[b"location"] == b"https://a/"
        assert body == b""
    else:
        assert fields[b"cache-control"] == b"no-cache"
        assert b"<h1>%d " % status in body


@pytest.mark.parametrize("status", sorted(templates.BUILT_IN))
def test_an_answer_to_head_has_the_length_and_not_the_body(status: int) -> None:
    whole = BUILT_IN.compose(status, False, False, 1, b"")
    head = BUILT_IN.compose(status, False, True, 1, b"")
    assert whole.data.startswith(head.data)
    assert head.data.endswith(b"\r\n\r\n")
    assert head.body_bytes == 0
    assert read(head, method="HEAD")[1] == read(whole)[1]


@pytest.mark.parametrize(
    ("must_close", "minor", "connection"),
    [(False, 1, None), (True, 1, b"close"), (False, 0, b"keep-alive"), (True, 0, b"close")],
)
def test_connection_says_what_the_client_would_not_assume(
    must_close: bool, minor: int, connection: bytes | None
) -> None:
    answer = BUILT_IN.compose(404, must_close, False, minor, b"")
    assert read(answer)[1].get(b"connection") == connection
    assert answer.closes == must_close


def test_a_template_that_asks_to_close_closes() -> None:
    closing = "HTTP/1.1 404 Not Found\nConnection: Close\n\n"
    answer = compose(closing)
    assert read(answer)[1][b"connection"] == b"close"
    assert answer.closes
    assert not compose("HTTP/1.1 404 Not Found\nConnection: keep-alive\n\n").closes


def test_other_options_of_connection_stay() -> None:
    text = "HTTP/1.1 426 Upgrade Required\nUpgrade: HTTP/3\nConnection: upgrade, close\n\n"
    assert b"\r\nConnection: upgrade, close\r\n" in compose(text, 426).data


def test_a_cluster_comes_before_the_listener_and_both_before_the_built_in() -> None:
    listener = {"404": HTML + "listener", "503": HTML.replace("404", "503") + "listener"}
    cluster = {"503": HTML.replace("404", "503") + "cluster"}
    for answers in (Answers(listener, cluster), Answers(listener).with_cluster(cluster)):
        assert read(answers.compose(404, False, False, 1, b""))[2] == b"listener"
        assert read(answers.compose(503, False, False, 1, b""))[2] == b"cluster"
        assert b"400 Bad Request" in read(answers.compose(400, False, False, 1, b""))[2]


def test_a_cluster_without_templates_shares_the_listeners() -> None:
    answers = Answers({})
    assert answers.with_cluster({}) is answers


@pytest.mark.parametrize(("status", "reason"), [(403, b"Forbidden"), (599, b"Status")])
def test_a_status_without_a_template_still_gets_an_answer(status: int, reason: bytes) -> None:
    answer = BUILT_IN.compose(status, False, False, 1, b"")
    assert answer.data.startswith(b"HTTP/1.1 %d %b\r\n" % (status, reason))
    assert read(answer)[0] == status


def test_bare_line_ends_become_whole_ones() -> None:
    answer = compose("HTTP/1.1 404 Not Found\nX-A: b\r\n\nline\nline\r\n")
    assert answer.data.startswith(b"HTTP/1.1 404 Not Found\r\nX-A: b\r\n")
    assert read(answer)[2] == b"line\r\nline\r\n"


@pytest.mark.parametrize("length", ["", "Content-Length: 3\n", "Content-Length: what\n"])
def test_the_length_is_counted_whatever_the_template_says(length: str) -> None:
    text = f"HTTP/1.1 404 Not Found\n{length}\n<p>%ROUTE é"
    fields, body = read(compose(text, route=b"r"))[1:]
    assert body == "<p>r é".encode()
    assert fields[b"content-length"] == b"7"


def test_variables_are_filled_in() -> None:
    text = (
        "HTTP/1.1 503 No\nX-Cluster: %CLUSTER_ID\nX-Text: 5%ROUTE\n\n%ROUTE|%REQUEST_IDs|%NONE|5%"
    )
    fields, body = read(compose(text, 503, cluster_id=b"app", route=b"r", request_id=b"id"))[1:]
    assert fields[b"x-cluster"] == b"app"
    assert fields[b"x-text"] == b"5%ROUTE"
    assert body == b"r|ids|%NONE|5%"


def test_a_variable_of_another_status_stays_as_it_stands() -> None:
    assert read(compose(HTML + "%BACKEND_ID", backend_id=b"x"))[2] == b"%BACKEND_ID"


def test_what_the_parser_did_not_tell_is_null() -> None:
    text = "HTTP/1.1 400 Bad Request\n\n%PHASE %INVALID %MESSAGE."
    assert read(compose(text, 400))[2] == b"null null ."
    assert read(compose(text, 400, phase=b"p", message=b"m"))[2] == b"p null m."


@pytest.mark.parametrize("retry_after", [b"", b"0"])
def test_a_retry_after_of_nothing_is_left_out(retry_after: bytes) -> None:
    answer = BUILT_IN.compose(429, False, False, 1, b"", retry_after=retry_after)
    assert b"retry-after" not in read(answer)[1]
    answer = BUILT_IN.compose(429, False, False, 1, b"", retry_after=b"60")
    assert read(answer)[1][b"retry-after"] == b"60"


def test_a_challenge_is_left_out_when_there_is_none() -> None:
    assert b"www-authenticate" not in read(BUILT_IN.compose(401, False, False, 1, b""))[1]
    answer = BUILT_IN.compose(401, False, False, 1, b"", www_authenticate=b'Basic realm="a"')
    assert read(answer)[1][b"www-authenticate"] == b'Basic realm="a"'


def test_the_correlation_field_is_not_written_twice() -> None:
    text = "HTTP/1.1 404 Not Found\nSOZU-ID: %REQUEST_ID\n\n"
    answer = Answers({"404": text}).compose(404, False, False, 1, b"Sozu-Id: a", request_id=b"b")
    assert read(answer)[1][b"sozu-id"] == b"b"


@pytest.mark.parametrize(
    ("content_type", "value", "body"),
    [
        ("text/html", b"<a href='\"&\n\x7f\xff", b"&lt;a href=&#39;&quot;&amp;\\xff"),
        ("image/svg+xml", b"<", b"&lt;"),
        ("text/plain; charset=utf-8", b"<\r\n\x1b\xc3\xa9", b"<\xc3\xa9"),
        ("application/problem+json", b'"\\\n\xff', b'\\"\\\\\\n\\ufffd'),
    ],
)
def test_values_are_escaped_for_the_body_in_which_they_stand(
    content_type: str, value: bytes, body: bytes
) -> None:
    text = f"HTTP/1.1 404 Not Found\nContent-Type: {content_type}\n\n%ROUTE"
    assert read(compose(text, route=value))[2] == body


def test_a_body_of_unknown_kind_is_taken_for_html() -> None:
    assert read(compose("HTTP/1.1 404 No\n\n%ROUTE", route=b"<script>"))[2] == b"&lt;script&gt;"


@given(value=st.binary(max_size=60))
def test_no_value_breaks_out_of_its_place(value: bytes) -> None:
    text = (
        "HTTP/1.1 502 Bad Gateway\nX-Route: %ROUTE\nX-Id: %BACKEND_ID\n"
        'Content-Type: application/json\n\n{"route":"%ROUTE","message":"%MESSAGE"}'
    )
    fields, body = read(compose(text, 502, route=value, backend_id=b"x" + value, message=value))[1:]
    assert set(fields) <= {b"x-route", b"x-id", b"content-type", b"content-length"}
    assert json.loads(body)["route"] == value.decode("utf-8", "replace")
    page = read(BUILT_IN.compose(400, False, False, 1, b"", message=value))[2]
    assert (
        page.count(b"<")
        == page.count(b">")
        == templates.BUILT_IN[400].split("\r\n\r\n")[1].count("<")
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no empty line ends its head"),
        ("HTTP/1.1 404 Not Found\r\nA: b\r\n", "no empty line ends its head"),
        ("HTTP/1.0 404 Not Found\n\n", "its first line is 'HTTP/1.0 404 Not Found'"),
        ("HTTP/1.1 404 Not\rFound\n\n", "its first line is"),
        ("HTTP/1.1 200 OK\n\n", "its status line says 200, but it stands for 404"),
        ("HTTP/1.1 404 No\nA b\n\n", "'A b' is not a field; 'Name: value' is meant"),
        ("HTTP/1.1 404 No\nA : b\n\n", "'A : b' is not a field"),
        ("HTTP/1.1 404 No\n: b\n\n", "': b' is not a field"),
        ("HTTP/1.1 404 No\nA: b\n c\n\n", "' c' is not a field"),
        ("HTTP/1.1 404 No\nA: b\rc\n\n", "is not a field"),
        ("HTTP/1.1 404 No\nTransfer-Encoding: chunked\n\n", "Transfer-Encoding is refused"),
        ("HTTP/1.1 404 No\nContent-Length: 1\ncontent-length: 1\n\n", "Content-Length stands in"),
        ("HTTP/1.1 404 No\nConnection: a b\n\n", "Connection holds 'a b'; 'close' is meant"),
        ("HTTP/1.1 404 No\nConnection:\n\n", "Connection holds ''"),
        ("HTTP/1.1 404 No\nA: %BACKEND_ID\n\n", "%BACKEND_ID cannot stand in a field of a 404"),
        ("HTTP/1.1 404 No\nA: %NONE\n\n", "%REQUEST_ID, %ROUTE can"),
    ],
)
def test_a_template_that_is_no_answer_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(text)


def test_a_variable_stands_only_where_it_may() -> None:
    assert "%MESSAGE cannot stand in a field" in refusal("HTTP/1.1 400 B\nA: %MESSAGE\n\n", 400)
    said = refusal("HTTP/1.1 429 T\n\n%RETRY_AFTER", 429)
    assert said == "%RETRY_AFTER cannot stand in the body; it is a field's value"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (301, "HTTP/1.1 301 M\nLocation: %REDIRECT_LOCATION\n\n%REDIRECT_LOCATION"),
        (400, "HTTP/1.1 400 B\n\n%MESSAGE %MESSAGE"),
        (429, "HTTP/1.1 429 T\nA: %RETRY_AFTER\nB: %RETRY_AFTER\n\n"),
    ],
)
def test_some_variables_stand_at_most_once(status: int, text: str) -> None:
    assert "stands in it twice" in refusal(text, status)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_is_no_answer(status: int) -> None:
    assert "has no body" in refusal(f"HTTP/1.1 {status} X\n\n", status)


def test_a_status_line_may_lack_its_reason() -> None:
    answer = compose("HTTP/1.1 404\n\n")
    assert answer.data.startswith(b"HTTP/1.1 404 \r\n")
    assert read(answer)[0] == 404


@pytest.mark.parametrize("key", ["", "40", "4x4", "٤٠٤", "moved"])
def test_a_key_that_is_no_status_is_refused(key: str) -> None:
    with pytest.raises(TemplateError, match="a status such as '404' is meant"):
        Answers({key: HTML})


def test_a_bad_template_is_told_with_its_key() -> None:
    with pytest.raises(TemplateError, match=r"^answer 503: its status line says 404"):
        Answers({}, {"503": HTML})


@pytest.mark.parametrize(
    ("scheme", "host", "port", "target", "uri"),
    [
        (b"https", b"a.test", None, b"/x?y=z", b"https://a.test/x?y=z"),
        (b"https", b"a.test", 443, b"/", b"https://a.test/"),
        (b"http", b"a.test", 80, b"/", b"http://a.test/"),
        (b"http", b"a.test", 443, b"/", b"http://a.test:443/"),
        (b"https", b"[::1]", 8443, b"/", b"https://[::1]:8443/"),
        (b"https", b"a.test", None, b"*", b"https://a.test/"),
        (b"https", b"a.test", None, b"//evil/", b"https://a.test//evil/"),
        (b"https", b"a.test", None, b'/\r\n"<\xe9>\\', b"https://a.test/%0D%0A%22%3C%E9%3E%5C"),
        (b"https", b"a.test", None, b"/%41_`|{}^", b"https://a.test/%41_%60%7C%7B%7D%5E"),
    ],
)
def test_a_location_is_absolute_and_holds_only_what_a_uri_may(
    scheme: bytes, host: bytes, port: int | None, target: bytes, uri: bytes
) -> None:
    assert location(scheme, host, port, target) == uri
