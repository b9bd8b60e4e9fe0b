"""`sozutw listener` on a proxy that runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sozutw.cli.listener_options import ANSWERS, H2_KNOBS, flag
from tests.e2e.commanded import REFUSED, SUCCESS, Asked, Commanded
from tests.e2e.harness import connect, field_map, is_refused
from tests.e2e.stage import status_of
from tests.e2e.tls import tls_connect, tls_of, trusting

LISTED = "`sozutw listener list` shows what there is."


def told_of(asked: Asked, kind: str, address: object) -> dict[str, Any] | None:
    """Return what is told of a listener; None if it is not there."""
    told = asked.told("listener list")
    if asked.is_json:
        held = told["LISTENERS_LIST"][f"{kind}_listeners"].get(str(address))
        return None if held is None else dict(held)
    heads = [line for line in told if line and not line.startswith(" ")]
    for head in heads:
        if head.startswith(f"{kind.upper()} {address} ("):
            rest = told[told.index(head) + 1 :]
            lines = rest[: rest.index("")] if "" in rest else rest
            return {"head": head} | dict(line.strip().split("  ", 1) for line in lines)
    return None


def setting(asked: Asked, kind: str, address: object, plain: str, field: str) -> str:
    """Return one setting, which a person reads under another name."""
    told = told_of(asked, kind, address)
    assert told is not None
    return str(told[field] if asked.is_json else told[plain]).strip()


def test_listeners_are_listed(commanded: Commanded, asked: Asked) -> None:
    for kind, address in (("http", commanded.http), ("https", commanded.https)):
        told = told_of(asked, kind, address)
        assert told is not None
        assert told["active"] is True if asked.is_json else told["head"].endswith(" (active)")
    assert setting(asked, "https", commanded.https, "front timeout", "front_timeout").startswith(
        "60"
    )


@contextmanager
def listening(commanded: Commanded, asked: Asked, kind: str, options: str = "") -> Iterator[str]:
    """Have a listener at the spare address, with a frontend for one.test."""
    address = str(commanded.spare)
    asked.done(f"listener {kind} add -a {address} {options}")
    asked.done(f"frontend {kind} add -a {address} --hostname one.test id one")
    try:
        yield address
    finally:
        asked.call(f"listener {kind} remove -a {address}")
        asked.done(f"frontend {kind} remove -a {address} --hostname one.test id one")


def test_a_listener_comes_rests_and_goes(commanded: Commanded, asked: Asked) -> None:
    port = commanded.spare.port
    with listening(commanded, asked, "http") as address:
        assert is_refused(port)
        asked.done(f"listener http activate -a {address}")
        assert commanded.answers(port=port) in ("a", "b")
        with connect(port) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
            client.receive_message()
            asked.done(f"listener http deactivate -a {address}")
            assert is_refused(port)
            told = told_of(asked, "http", address)
            assert told is not None
            assert told["active"] is False if asked.is_json else "(not active)" in told["head"]
            asked.done(f"listener http deactivate --address {address}")
        asked.done(f"listener http activate --address {address}")
        asked.done(f"listener http activate -a {address}")
        assert commanded.answers(port=port) in ("a", "b")
        asked.done(f"listener http remove --address {address}")
        assert is_refused(port)
        assert told_of(asked, "http", address) is None
        text = f"{REFUSED}there is no listener at {address}; add it first"
        asked.refused(f"listener http remove -a {address}", 1, text, LISTED)


def test_a_listener_of_tls_comes_rests_and_goes(commanded: Commanded, asked: Asked) -> None:
    port = commanded.spare.port
    options = "--tls-versions TLS_V12 --tls-cipher-list ECDHE-ECDSA-AES256-GCM-SHA384"
    with listening(commanded, asked, "https", options) as address:
        asked.done(f"listener https activate -a {address}")
        files = f"--certificate {commanded.folder}/localhost.certificate.pem"
        files += f" --key {commanded.folder}/localhost.key.pem"
        asked.done(f"certificate add -a {address} {files}")
        with tls_connect(port, trusting(None), "one.test") as client:
            assert tls_of(client).version() == "TLSv1.2"
            assert (tls_of(client).cipher() or ("",))[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
            client.send(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
            assert client.receive_message()[0].startswith(b"HTTP/1.1 200 ")
        asked.done(f"listener https deactivate -a {address}")
        assert is_refused(port)
        asked.done(f"certificate remove -a {address} {files.partition(' --key')[0]}")
        asked.done(f"listener https remove -a {address}")
        assert told_of(asked, "https", address) is None


TEMPLATE = "HTTP/1.1 {status} Mine\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine"


def template(commanded: Commanded, status: str) -> str:
    path = commanded.folder / f"{status}.http"
    path.write_bytes(TEMPLATE.format(status=status).encode())
    return str(path)


@pytest.mark.parametrize("kind", ["http", "https"])
def test_what_a_listener_is_added_with_is_what_it_has(
    commanded: Commanded, asked: Asked, kind: str
) -> None:
    own = " ".join(f"--answer-{n} {template(commanded, n)}" for n in ("400", "404", "503"))
    common = (
        "--public-address 192.0.2.1:80 --sticky-name LIME --front-timeout 11 --back-timeout 12 "
        f"--connect-timeout 13 --request-timeout 14 {own}"
    )
    words = {
        "http": f"listener http add -a {commanded.spare} {common}",
        "https": f"listener https add -a {commanded.spare} {common} --tls-versions TLS_V13",
    }
    asked.done(words[kind])
    for name, value in (("front", 11), ("back", 12), ("connect", 13), ("request", 14)):
        told = setting(asked, kind, commanded.spare, f"{name} timeout", f"{name}_timeout")
        assert told.split()[0] == str(value)
    assert setting(asked, kind, commanded.spare, "sticky cookie", "sticky_name") == "LIME"
    told = told_of(asked, kind, commanded.spare)
    assert told is not None
    if asked.is_json:
        assert told["public_address"]["port"] == 80
        assert told["expect_proxy"] is False
    else:
        assert told["public address"].strip() == "192.0.2.1:80"
        assert told["answers of its own"].strip() == "400, 404, 503"
    if kind == "http":
        asked.done(f"listener http activate -a {commanded.spare}")
        assert commanded.ask(host="nix.test", port=commanded.spare.port)[::2] == (404, b"mine")
    asked.done(f"listener {kind} remove -a {commanded.spare}")


def test_timeouts_that_are_not_given_are_those_of_the_file(
    commanded: Commanded, asked: Asked
) -> None:
    asked.done(f"listener http add -a {commanded.spare}")
    told = setting(asked, "http", commanded.spare, "request timeout", "request_timeout")
    assert told.split()[0] == "10"
    asked.done(f"listener http remove -a {commanded.spare}")


# Updates.


@contextmanager
def resting(commanded: Commanded, asked: Asked, kind: str) -> Iterator[str]:
    """Have a listener at the spare address that nobody is accepted by."""
    asked.done(f"listener {kind} add -a {commanded.spare}")
    try:
        yield str(commanded.spare)
    finally:
        asked.done(f"listener {kind} remove -a {commanded.spare}")


@pytest.mark.parametrize("kind", ["http", "https"])
def test_what_is_updated_is_so_and_all_else_stays(
    commanded: Commanded, asked: Asked, kind: str
) -> None:
    updates = {
        "http": "listener http update -a {address} {options}",
        "https": "listener https update -a {address} {options}",
    }
    with resting(commanded, asked, kind) as address:
        for options, plain, field, told in (
            ("--front-timeout 21", "front timeout", "front_timeout", "21"),
            ("--back-timeout 22", "back timeout", "back_timeout", "22"),
            ("--connect-timeout 23", "connect timeout", "connect_timeout", "23"),
            ("--request-timeout 24", "request timeout", "request_timeout", "24"),
            ("--sticky-name ROSE", "sticky cookie", "sticky_name", "ROSE"),
            ("--sozu-id-header X-Id", "header of ids", "sozu_id_header", "X-Id"),
            (
                "--no-expect-proxy",
                "expects PROXY",
                "expect_proxy",
                "False" if asked.is_json else "no",
            ),
        ):
            asked.done(updates[kind].format(address=address, options=options))
            value = setting(asked, kind, address, plain, field)
            assert value.removesuffix(" s") == told, options
        asked.done(
            updates[kind].format(address=address, options="--public-address [2001:db8::1]:80")
        )
        told_now = told_of(asked, kind, address)
        assert told_now is not None
        if not asked.is_json:
            assert told_now["public address"].strip() == "[2001:db8::1]:80"
        value = setting(asked, kind, address, "front timeout", "front_timeout")
        assert value.removesuffix(" s") == "21"


@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize("status", ANSWERS)
def test_each_answer_of_a_listener_can_be_another(
    commanded: Commanded, asked: Asked, kind: str, status: str
) -> None:
    with resting(commanded, asked, kind) as address:
        path = template(commanded, status)
        asked.done(f"listener {kind} update -a {address} --answer-{status} {path}")
        told = told_of(asked, kind, address)
        assert told is not None
        if not asked.is_json:
            assert told["answers of its own"].strip() == status


def test_an_answer_is_another_for_the_next_request(commanded: Commanded, asked: Asked) -> None:
    with listening(commanded, asked, "http") as address:
        asked.done(f"listener http activate -a {address}")
        with connect(commanded.spare.port) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: nix.test\r\n\r\n")
            assert client.receive_message()[1] != b"mine"
            asked.done(
                f"listener http update -a {address} --answer-404 {template(commanded, '404')}"
            )
            client.send(b"GET / HTTP/1.1\r\nHost: nix.test\r\n\r\n")
            assert client.receive_message()[1] == b"mine"


@pytest.mark.parametrize("knob", H2_KNOBS)
def test_a_knob_of_http2_is_taken_and_has_no_effect(
    commanded: Commanded, asked: Asked, knob: str
) -> None:
    doubt = f"warning: {knob} has no effect; HTTP/1.1 is all that is spoken with clients"
    note = f"Note: {doubt}\n" if asked.is_json else ""
    kind = "https" if len(knob) % 2 else "http"
    address = commanded.https if kind == "https" else commanded.http
    words = f"listener {kind} update -a {address} {flag(knob)} 77"
    asked.done(words, f"{SUCCESS.rstrip()}; {doubt}\n", note)


def test_a_listener_of_tls_is_updated_in_what_only_it_has(
    commanded: Commanded, asked: Asked
) -> None:
    words = f"listener https update -a {commanded.https}"

    def misdirected() -> bool:
        """Say whether a request for a host that the certificate is not for is refused."""
        with tls_connect(commanded.tls_port, trusting(None), "localhost") as client:
            client.send(b"GET / HTTP/1.1\r\nHost: nix.test\r\n\r\n")
            status = status_of(client.receive_message()[0])
        assert status in (404, 421)
        return status == 421

    assert misdirected()
    asked.done(f"{words} --no-strict-sni-binding")
    assert not misdirected()
    asked.done(f"{words} --strict-sni-binding")
    assert misdirected()
    asked.done(f"{words} --hsts-max-age 5 --hsts-include-subdomains")
    assert strict_transport(commanded) == b"max-age=5; includeSubDomains"
    asked.done(f"{words} --hsts-max-age 6 --hsts-force-replace-backend")
    assert strict_transport(commanded) == b"max-age=6"
    asked.done(f"{words} --hsts-disabled")
    assert strict_transport(commanded) is None
    doubt = "warning: max_age is 6, and preload asks for at least 31536000"
    asked.done(
        f"{words} --hsts-max-age 6 --hsts-preload --hsts-include-subdomains",
        f"{SUCCESS.rstrip()}; {doubt}\n",
        f"Note: {doubt}\n" if asked.is_json else "",
    )
    asked.done(f"{words} --hsts-disabled")
    asked.done(f"{words} --enable-http11")


def strict_transport(commanded: Commanded) -> bytes | None:
    with tls_connect(commanded.tls_port, trusting(None), "one.test") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        head, _ = client.receive_message()
    return field_map(head).get(b"strict-transport-security")


def test_what_is_offered_by_alpn_can_be_another(commanded: Commanded, asked: Asked) -> None:
    def chosen() -> str | None:
        context = trusting(None)
        context.set_alpn_protocols(["http/1.1", "x"])
        with tls_connect(commanded.tls_port, context, "one.test") as client:
            return tls_of(client).selected_alpn_protocol()

    words = f"listener https update -a {commanded.https}"
    asked.done(f"{words} --alpn-protocols http/1.1")
    assert chosen() == "http/1.1"
    result = asked.call(f"{words} --reset-alpn")
    assert result.exit_code == 0, result.output
    assert chosen() == "http/1.1"
    text = "--alpn-protocols or --reset-alpn is meant, not both."
    asked.misused(f"{words} --reset-alpn --alpn-protocols h2", text)


# What is refused.


@pytest.mark.parametrize("kind", ["http", "https"])
def test_an_address_that_is_taken_is_refused(commanded: Commanded, asked: Asked, kind: str) -> None:
    for address in (commanded.http, commanded.https):
        text = f"{REFUSED}there is already a listener at {address}; remove it first"
        asked.refused(f"listener {kind} add -a {address}", 1, text)


def test_an_address_that_another_program_has_is_refused(commanded: Commanded, asked: Asked) -> None:
    # Whoever listens there has not allowed others to: the backend's own port.
    address = commanded.backend
    asked.done(f"listener http add -a {address}")
    text = (
        f"{REFUSED}cannot listen on {address}: Address already in use "
        "(another program listens there)"
    )
    asked.refused(f"listener http activate -a {address}", 1, text)
    told = told_of(asked, "http", address)
    assert told is not None
    assert told["active"] is False if asked.is_json else "(not active)" in told["head"]
    asked.done(f"listener http remove -a {address}")


@pytest.mark.parametrize(
    "words",
    [
        "listener http activate -a 127.0.0.1:1",
        "listener http deactivate -a 127.0.0.1:1",
        "listener http remove -a 127.0.0.1:1",
        "listener http update -a 127.0.0.1:1 --front-timeout 1",
        "listener https activate --address 127.0.0.1:1",
        "listener https deactivate --address 127.0.0.1:1",
        "listener https remove --address 127.0.0.1:1",
        "listener https update --address 127.0.0.1:1 --reset-alpn",
    ],
)
def test_a_listener_that_is_not_there_is_refused(asked: Asked, words: str) -> None:
    text = f"{REFUSED}there is no listener at 127.0.0.1:1; add it first"
    asked.refused(words, 1, text, LISTED)


def test_a_listener_of_another_kind_is_refused(commanded: Commanded, asked: Asked) -> None:
    text = f"{REFUSED}the listener at {commanded.https} is for https and not for http; name another"
    for verb in ("activate", "deactivate", "remove", "update --front-timeout 1"):
        asked.refused(f"listener http {verb} -a {commanded.https}", 1, text, LISTED)
    text = f"{REFUSED}the listener at {commanded.http} is for http and not for https; name another"
    asked.refused(f"listener https update -a {commanded.http} --reset-alpn", 1, text, LISTED)


NO_PROXY = "expect_proxy is not served yet: the header of the PROXY protocol is not read"
NO_H2 = "disable_http11 is not served yet: HTTP/1.1 is all that is spoken with clients"


def test_what_is_not_served_is_refused_by_name(commanded: Commanded, asked: Asked) -> None:
    for kind in ("http", "https"):
        words = f"listener {kind} add -a {commanded.spare} --expect-proxy"
        asked.refused(words, 1, REFUSED + NO_PROXY)
    words = f"listener http update -a {commanded.http} --expect-proxy --front-timeout 1"
    asked.refused(words, 1, REFUSED + NO_PROXY)
    words = f"listener https update -a {commanded.https} --expect-proxy"
    asked.refused(words, 1, REFUSED + NO_PROXY)
    words = f"listener https update -a {commanded.https} --disable-http11"
    asked.refused(words, 1, REFUSED + NO_H2)
    # All or nothing: what was right of it has not happened either.
    assert setting(asked, "http", commanded.http, "front timeout", "front_timeout").startswith("60")


def test_an_answer_that_is_none_is_refused(commanded: Commanded, asked: Asked) -> None:
    text = f"{REFUSED}the template for 404 cannot be used: no empty line ends its head"
    words = f"listener http update -a {commanded.http} --answer-404 {commanded.folder}/root.pem"
    asked.refused(words, 1, text)
    words = f"listener http update -a {commanded.http} --answer-404 /nowhere/404.http"
    asked.misused(words, "'/nowhere/404.http': it cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("listener http add", "Missing option '-a' / '--address'."),
        (
            "listener http add -a 80",
            "Invalid value for '-a' / '--address': '80': a host and a port",
        ),
        ("listener http add -a 127.0.0.1:65536", "a port from 1 to 65535 is meant"),
        ("listener http add -a localhost:80", "Invalid value for '-a' / '--address'"),
        ("listener http update -a [::1]:1", "Nothing to change: an option for what is to be"),
        ("listener https update -a [::1]:1", "Nothing to change: an option for what is to be"),
        (
            "listener http update -a [::1]:1 --front-timeout soon",
            "Invalid value for '--front-timeout': 'soon': a whole number from 0 to 4294967295",
        ),
        (
            "listener https add -a [::1]:1 --tls-versions SSLv3",
            "Invalid value for '--tls-versions': 'SSLv3': TLSv1, TLS_V11, TLS_V12 or TLS_V13",
        ),
        ("listener nonsense", "No such command 'nonsense'."),
    ],
)
def test_a_wrong_command_line_says_what_is_meant(asked: Asked, words: str, text: str) -> None:
    asked.misused(words, text)


NO_TCP = "this version has http and https listeners only"
NO_UDP = "this version takes no datagrams"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            (
                "listener tcp add -a {spare} --public-address [::1]:1 --expect-proxy "
                "--front-timeout 1 --back-timeout 1 --connect-timeout 1"
            ),
            f"AddTcpListener is not served yet: {NO_TCP}",
        ),
        (
            (
                "listener tcp update -a {spare} --public-address [::1]:1 --expect-proxy "
                "--front-timeout 1 --back-timeout 1 --connect-timeout 1"
            ),
            f"UpdateTcpListener is not served yet: {NO_TCP}",
        ),
        (
            "listener tcp update --address {spare} --no-expect-proxy",
            f"UpdateTcpListener is not served yet: {NO_TCP}",
        ),
        (
            (
                "listener udp add -a {spare} --public-address [::1]:1 --front-timeout 1 "
                "--back-timeout 1 --max-rx-datagram-size 1500 --max-flows 0"
            ),
            f"AddUdpListener is not served yet: {NO_UDP}",
        ),
        (
            (
                "listener udp update -a {spare} --public-address [::1]:1 --front-timeout 1 "
                "--back-timeout 1 --max-rx-datagram-size 1500 --max-flows 0"
            ),
            f"UpdateUdpListener is not served yet: {NO_UDP}",
        ),
        ("listener tcp activate -a {spare}", "a listener of tcp is not served yet: " + NO_TCP),
        ("listener tcp deactivate -a {spare}", "a listener of tcp is not served yet: " + NO_TCP),
        ("listener tcp remove -a {spare}", "a listener of tcp is not served yet: " + NO_TCP),
        ("listener udp activate -a {spare}", "a listener of udp is not served yet: " + NO_TCP),
        ("listener udp deactivate -a {spare}", "a listener of udp is not served yet: " + NO_TCP),
        ("listener udp remove -a {spare}", "a listener of udp is not served yet: " + NO_TCP),
    ],
)
def test_tcp_and_udp_are_not_served(
    commanded: Commanded, asked: Asked, words: str, text: str
) -> None:
    begin = "Request failed: " if text[0].isupper() else REFUSED
    asked.refused(words.format(spare=commanded.spare), 1, begin + text)
