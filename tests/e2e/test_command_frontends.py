"""`sozutw frontend` on a proxy that runs: each option by what a request meets."""

from typing import Any

import pytest

from tests.e2e.commanded import REFUSED, SUCCESS, Asked, Commanded, location
from tests.e2e.harness import field_map, request
from tests.e2e.tls import tls_connect, trusting

LISTED = "`sozutw frontend list` shows what there is."
LISTENERS = "`sozutw listener list` shows what there is."


def hosts(asked: Asked, words: str) -> list[str]:
    """Return the hosts of the frontends that are listed, with their kinds."""
    told = asked.told(f"frontend list {words}")
    if asked.is_json:
        held = told["FRONTEND_LIST"]
        assert held["tcp_frontends"] == held["udp_frontends"] == []
        kinds = ("http_frontends", "https_frontends")
        return [f"{kind.split('_')[0]} {one['hostname']}" for kind in kinds for one in held[kind]]
    found, kind = [], ""
    for line in told:
        if line.endswith(" frontends"):
            kind = line.split()[0].lower()
        elif line.startswith("  ") and "HOSTNAME" not in line:
            found.append(f"{kind} {line.split()[2]}")
    return found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", ["http one.test", "http one.test", "https one.test"]),
        ("--http", ["http one.test", "http one.test"]),
        ("--https", ["https one.test"]),
        ("--http --https --tcp", ["http one.test", "http one.test", "https one.test"]),
        ("--tcp", []),
        ("-d one --https", ["https one.test"]),
        ("--domain nix", []),
    ],
)
def test_frontends_are_listed(asked: Asked, words: str, told: list[str]) -> None:
    assert hosts(asked, words) == told


@pytest.mark.parametrize(
    ("options", "path", "elsewhere"),
    [
        ("--hostname x.test", "/", None),
        ("--host '*.test' --position post", "/", None),
        ("--hostname '/[xyz]/.test' --position tree", "/", None),
        ("--hostname x.test -p /a", "/ab", "/b"),
        ("--hostname x.test --path-prefix /a", "/a/b", "/"),
        ("--hostname x.test --path-equals /a", "/a", "/a/"),
        ("--hostname x.test --path-regex '/[0-9]+'", "/42", "/x"),
        ("--hostname x.test -m GET", "/", None),
    ],
)
def test_a_frontend_leads_what_it_names_to_its_cluster(
    commanded: Commanded, asked: Asked, options: str, path: str, elsewhere: str | None
) -> None:
    assert commanded.answers(path, "x.test") == 404
    selector = f"-a {commanded.http} {options}"
    asked.done(f"frontend http add {selector} id one")
    assert commanded.answers(path, "x.test") in ("a", "b")
    if elsewhere:
        assert commanded.answers(elsewhere, "x.test") == 404
    asked.done(f"frontend http remove {selector} id one")
    assert commanded.answers(path, "x.test") == 404


def test_a_method_of_its_own_leads_elsewhere(commanded: Commanded, asked: Asked) -> None:
    selector = f"--address {commanded.http} --hostname x.test --method DELETE"
    asked.done(f"frontend http add {selector} id one")
    assert commanded.answers(host="x.test") == 404
    answer = request(commanded.port, b"DELETE / HTTP/1.0\r\nHost: x.test\r\n\r\n")
    assert answer.startswith((b"HTTP/1.0 501 ", b"HTTP/1.1 501 ")), answer
    asked.done(f"frontend http remove {selector} id one")


def test_what_is_denied_is_answered_with_401(commanded: Commanded, asked: Asked) -> None:
    selector = f"-a {commanded.http} --hostname one.test -p /admin --position pre"
    asked.done(f"frontend http add {selector} deny")
    assert commanded.answers("/admin") == 401
    assert commanded.answers("/") in ("a", "b")
    asked.done(f"frontend http remove {selector} deny")
    assert commanded.answers("/admin") in ("a", "b")


@pytest.mark.parametrize(
    ("options", "status", "where"),
    [
        ("--redirect permanent --redirect-scheme use-https", 301, "https://x.test/p"),
        ("--redirect permanent_redirect --redirect-scheme use_https", 308, "https://x.test/p"),
        ("--redirect found --redirect-scheme use-https", 302, "https://x.test/p"),
    ],
)
def test_a_redirect_is_given(
    commanded: Commanded, asked: Asked, options: str, status: int, where: str
) -> None:
    selector = f"-a {commanded.http} --hostname x.test"
    asked.done(f"frontend http add {selector} {options} id one")
    told, head, _ = commanded.ask("/p", "x.test")
    assert (told, location(head)) == (status, where)
    asked.done(f"frontend http remove {selector} id one")


def test_tags_are_told_in_the_list_and_the_log(commanded: Commanded, asked: Asked) -> None:
    selector = f"-a {commanded.http} --hostname x.test"
    asked.done(f"frontend http add {selector} --tags owner=joe,level=3 id one")
    told = str(asked.told("frontend list -d x.test"))
    assert (
        ("{'level': '3', 'owner': 'joe'}" in told)
        if asked.is_json
        else "level=3, owner=joe" in told
    )
    asked.done(f"frontend http remove {selector} id one")


def strict_transport(commanded: Commanded, host: str) -> bytes | None:
    """Return what a client of TLS is told of HSTS."""
    with tls_connect(commanded.tls_port, trusting(None), host) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _ = client.receive_message()
    assert head.startswith(b"HTTP/1.1 200 "), head
    return field_map(head).get(b"strict-transport-security")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ("", None),
        ("--hsts-max-age 60", b"max-age=60"),
        ("--hsts-include-subdomains", b"max-age=31536000; includeSubDomains"),
        (
            "--hsts-preload --hsts-include-subdomains",
            b"max-age=31536000; includeSubDomains; preload",
        ),
        ("--hsts-max-age 60 --hsts-force-replace-backend", b"max-age=60"),
        ("--hsts-disabled", None),
    ],
)
def test_a_frontend_of_tls_tells_browsers_to_stay(
    commanded: Commanded, asked: Asked, options: str, field: bytes | None
) -> None:
    selector = f"-a {commanded.https} --hostname localhost"
    asked.done(f"frontend https add {selector} {options} id one")
    assert strict_transport(commanded, "localhost") == field
    asked.done(f"frontend https remove {selector} id one")


OTHERS = (
    "-p /a --position pre -m GET --tags a=b",
    "--path-regex /a --redirect permanent --redirect-scheme use-same",
    "--path-equals /a --method POST --redirect forward",
)


@pytest.mark.parametrize("options", OTHERS)
def test_frontends_of_tls_take_what_those_of_http_do(
    commanded: Commanded, asked: Asked, options: str
) -> None:
    selector = f"--address {commanded.https} --host y.test"
    asked.done(f"frontend https add {selector} {options} deny")
    assert hosts(asked, "-d y.test") == ["https y.test"]
    told = asked.told("frontend list -d y.test")
    if asked.is_json:
        (one,) = told["FRONTEND_LIST"]["https_frontends"]
        assert one["cluster_id"] is None
        assert one["path"]["value"] == "/a"
    else:
        assert "(deny)" in told[-1]
    words = options.partition(" --tags")[0].partition(" --redirect")[0]
    asked.done(f"frontend https remove {selector} {words} deny")
    assert hosts(asked, "-d y.test") == []


def test_preload_without_a_year_is_doubted(commanded: Commanded, asked: Asked) -> None:
    doubt = "warning: max_age is 60, and preload asks for at least 31536000"
    selector = f"-a {commanded.https} --hostname localhost"
    options = "--hsts-max-age 60 --hsts-preload --hsts-include-subdomains"
    note = f"Note: {doubt}\n" if asked.is_json else ""
    asked.done(
        f"frontend https add {selector} {options} id one", f"{SUCCESS.rstrip()}; {doubt}\n", note
    )
    asked.done(f"frontend https remove {selector} id one")


def test_a_cluster_that_is_not_there_is_told(commanded: Commanded, asked: Asked) -> None:
    doubt = "warning: there is no cluster 'nix' yet"
    selector = f"-a {commanded.http} --hostname nix.test"
    note = f"Note: {doubt}\n" if asked.is_json else ""
    asked.done(f"frontend http add {selector} id nix", f"{SUCCESS.rstrip()}; {doubt}\n", note)
    assert commanded.answers(host="nix.test") == 503
    asked.done(f"frontend http remove {selector} id nix")


# What is refused.


@pytest.mark.parametrize("end", ["id one", "id two", "deny"])
def test_a_duplicate_is_refused_whatever_it_leads_to(
    commanded: Commanded, asked: Asked, end: str
) -> None:
    selector = f"-a {commanded.http} --hostname one.test -p /two"
    text = (
        f"{REFUSED}one.test PREFIX '/two' (TREE) at {commanded.http} already leads to "
        "cluster 'two'; remove that frontend first"
    )
    asked.refused(f"frontend http add {selector} {end}", 1, text)


def test_what_is_not_there_is_not_removed(commanded: Commanded, asked: Asked) -> None:
    text = f"{REFUSED}there is no frontend x.test (TREE) at {commanded.http} to remove"
    for end in ("id one", "deny"):
        words = f"frontend http remove -a {commanded.http} --hostname x.test {end}"
        asked.refused(words, 1, text, LISTED)
    words = f"frontend https remove -a {commanded.https} --hostname one.test -p /two deny"
    rule = f"one.test PREFIX '/two' (TREE) at {commanded.https}"
    text = f"{REFUSED}there is no frontend {rule} to remove"
    asked.refused(words, 1, text, LISTED)


def test_a_listener_that_is_not_there_or_another_is_refused(
    commanded: Commanded, asked: Asked
) -> None:
    words = f"frontend http add -a {commanded.spare} --hostname x.test id one"
    text = f"{REFUSED}there is no listener at {commanded.spare}; add it first"
    asked.refused(words, 1, text, LISTENERS)
    words = f"frontend http add -a {commanded.https} --hostname x.test id one"
    text = f"{REFUSED}the listener at {commanded.https} speaks TLS; name another"
    asked.refused(words, 1, text, LISTENERS)
    words = f"frontend https add -a {commanded.http} --hostname x.test deny"
    text = f"{REFUSED}the listener at {commanded.http} speaks no TLS; name another"
    asked.refused(words, 1, text, LISTENERS)


UNSERVED: list[tuple[str, str]] = [
    ("--required-auth", "required_auth is not served yet: nobody is asked for a password"),
    ("--rewrite-host a", "rewrite_host is not served yet: requests go to backends as they came"),
    ("--rewrite-path /a", "rewrite_path is not served yet: requests go to backends as they came"),
    ("--rewrite-port 1", "rewrite_port is not served yet: requests go to backends as they came"),
    ("--header request=X-A=b", "headers is not served yet: requests go to backends as they came"),
    (
        "--redirect found --redirect-template text",
        "redirect_template is not served yet: the answer of the listener is given",
    ),
]


@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize(("options", "text"), UNSERVED)
def test_what_is_not_served_is_refused_by_name(
    commanded: Commanded, asked: Asked, kind: str, options: str, text: str
) -> None:
    where = commanded.http if kind == "http" else commanded.https
    words = {
        "http": f"frontend http add -a {where} --hostname x.test {options} id one",
        "https": f"frontend https add -a {where} --hostname x.test {options} id one",
    }
    asked.refused(words[kind], 1, REFUSED + text)
    assert hosts(asked, "-d x.test") == []


NO_HSTS = "hsts has no place at an http listener; https is meant"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            "--hostname x.test --path-regex '/a(b'",
            (
                "path.value is no regular expression that can be used: bad regular expression "
                "'/a(b': missing ): /a(b"
            ),
        ),
        (
            "--hostname x..test",
            'hostname is "x..test"; a host name has no empty part, nor a dot at its end',
        ),
        ("--hostname x.test --hsts-max-age 60", NO_HSTS),
        ("--hostname x.test --hsts-include-subdomains", NO_HSTS),
        ("--hostname x.test --hsts-preload --hsts-force-replace-backend", NO_HSTS),
    ],
)
def test_what_cannot_be_is_refused(
    commanded: Commanded, asked: Asked, options: str, text: str
) -> None:
    asked.refused(f"frontend http add -a {commanded.http} {options} id one", 1, REFUSED + text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("frontend http add --hostname x.test id one", "Missing option '-a' / '--address'."),
        ("frontend http add -a [::1]:1 id one", "Missing option '--hostname' / '--host'."),
        (
            "frontend http add -a [::1]:1 --hostname x.test",
            "After the options, `id CLUSTER` or `deny` is meant.",
        ),
        (
            "frontend https remove -a [::1]:1 --hostname x.test",
            "After the options, `id CLUSTER` or `deny` is meant.",
        ),
        ("frontend http add -a [::1]:1 --hostname x.test id", "Missing argument 'CLUSTER'."),
        (
            "frontend http add -a [::1]:1 --hostname x.test -p / --path-equals / deny",
            "One of --path-prefix, --path-regex and --path-equals is meant.",
        ),
        ("frontend http add -a ::1 --hostname x.test deny", "Invalid value for '-a' / '--address'"),
        (
            "frontend http add -a [::1]:1 --hostname x.test --position last deny",
            "Invalid value for '--position': 'last': one of pre, tree, post is meant",
        ),
        (
            "frontend https add -a [::1]:1 --hostname x.test --hsts-disabled --hsts-preload deny",
            "--hsts-disabled stands alone among the --hsts options.",
        ),
        (
            "frontend http add -a [::1]:1 --hostname x.test --header X-A deny",
            "Invalid value for '--header': 'X-A': POSITION=NAME=VALUE is meant",
        ),
        (
            "frontend http add -a [::1]:1 --hostname x.test --tags a deny",
            "Invalid value for '--tags': 'a': key=value is meant",
        ),
        ("frontend list --nonsense", "No such option '--nonsense'."),
    ],
)
def test_a_wrong_command_line_says_what_is_meant(asked: Asked, words: str, text: str) -> None:
    asked.misused(words, text)


STREAMS: list[tuple[str, Any]] = [
    ("frontend tcp add -i one -a {spare} --tags a=b", "AddTcpFrontend"),
    ("frontend tcp remove --id one --address {spare}", "RemoveTcpFrontend"),
    ("frontend udp add --id one --address {spare} --tags a=b", "AddUdpFrontend"),
    ("frontend udp remove -i one -a {spare}", "RemoveUdpFrontend"),
]


@pytest.mark.parametrize(("words", "verb"), STREAMS)
def test_tcp_and_udp_are_not_served(
    commanded: Commanded, asked: Asked, words: str, verb: str
) -> None:
    why = "this version has http and https listeners only"
    if "Udp" in verb:
        why = "this version takes no datagrams"
    text = f"Request failed: {verb} is not served yet: {why}"
    asked.refused(words.format(spare=commanded.spare), 1, text)
