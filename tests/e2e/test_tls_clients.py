"""Clients that nobody here wrote reach a proxy over TLS: curl, OpenSSL's s_client, Python's ssl."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.e2e.harness import connect
from tests.e2e.stage import SECONDS_MAX
from tests.e2e.tls import TlsStage, program, tls_of, trusting

ASK = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsStage]:
    with TlsStage(tmp_path_factory.mktemp("clients")) as stage:
        yield stage


@pytest.fixture
def stage(proxy: TlsStage) -> Iterator[TlsStage]:
    yield proxy
    proxy.clear()


def run(*command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(str(command[0])), *map(str, command[1:])],
        input=text,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


# curl.


def curl(stage: TlsStage, *arguments: str, paths: int = 1) -> str:
    urls = [f"https://localhost:{stage.tls_port}/echo/{number}" for number in range(paths)]
    told = ("-w", "\n%{http_code} %{http_version} %{num_connects}\n")
    root = str(stage.folder / "root.pem")
    done = run("curl", "-4", "-sS", "--max-time", "10", "--cacert", root, *told, *arguments, *urls)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--tlsv1.2", "--tls-max", "1.2"],
        ["--tlsv1.3"],
        ["--http1.1"],
        ["--http2"],
        ["--no-alpn"],
        ["--no-sessionid"],
    ],
    ids=" ".join,
)
def test_curl_verifies_and_is_answered(stage: TlsStage, options: list[str]) -> None:
    body, told = curl(stage, *options).splitlines()
    assert json.loads(body)["path"] == "/echo/0"
    assert told == "200 1.1 1"


def test_curl_keeps_its_connection(stage: TlsStage) -> None:
    told = curl(stage, paths=3).splitlines()[1::2]
    assert told == ["200 1.1 1", "200 1.1 0", "200 1.1 0"]


# openssl s_client.


def s_client(stage: TlsStage, *arguments: str | Path, text: str = ASK) -> str:
    """Return all that s_client says; it goes on until the proxy closes."""
    where = f"127.0.0.1:{stage.tls_port}"
    root = stage.folder / "root.pem"
    command = ("openssl", "s_client", "-connect", where, "-servername", "localhost", "-ign_eof")
    done = run(*command, "-CAfile", root, "-verify_return_error", *arguments, text=text)
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_s_client_speaks_each_version(stage: TlsStage, version: str) -> None:
    said = s_client(stage, f"-tls{version}")
    assert f"New, TLSv{version.replace('_', '.')}, Cipher is " in said
    assert "Verify return code: 0 (ok)" in said
    assert "HTTP/1.1 200 " in said
    # close_notify: s_client says "closed" for it, and complains of anything else.
    assert "closed\n" in said
    assert "unexpected eof" not in said


@pytest.mark.parametrize(
    ("version", "groups", "told"),
    [
        ("1_3", "X25519", "X25519, 253 bits"),
        ("1_3", "P-256", "ECDH, prime256v1, 256 bits"),
        ("1_3", "P-384", "ECDH, secp384r1, 384 bits"),
        # With TLS 1.2 the list must hold the curve of the certificate too.
        ("1_2", "X25519:P-256", "X25519, 253 bits"),
        ("1_2", "P-256", "ECDH, prime256v1, 256 bits"),
    ],
)
def test_s_client_uses_each_curve(stage: TlsStage, version: str, groups: str, told: str) -> None:
    said = s_client(stage, f"-tls{version}", "-groups", groups)
    assert f"Server Temp Key: {told}" in said
    assert "HTTP/1.1 200 " in said


def test_a_curve_that_is_not_offered_is_refused(stage: TlsStage) -> None:
    said = s_client(stage, "-tls1_3", "-groups", "P-521")
    assert "alert handshake failure" in said


def test_a_client_that_knows_it_agrees_by_a_key_that_no_quantum_computer_breaks(
    stage: TlsStage,
) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    with connect(stage.tls_port) as peer:
        client = SSL.Connection(context, peer.sock)
        peer.sock.settimeout(None)
        client.set_tlsext_host_name(b"localhost")
        client.set_connect_state()
        client.do_handshake()
        assert client.get_group_name() == "X25519MLKEM768"
        client.shutdown()


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_s_client_resumes_its_session(stage: TlsStage, tmp_path: Path, version: str) -> None:
    kept = tmp_path / "session"
    said = s_client(stage, f"-tls{version}", "-sess_out", kept)
    assert "\nNew, TLSv" in said
    for _ in range(3):
        said = s_client(stage, f"-tls{version}", "-sess_in", kept, "-sess_out", kept)
        assert "\nReused, TLSv" in said
        assert "HTTP/1.1 200 " in said
    assert stage.tls_counters()["tls.handshake.resumed"] >= 3


def test_one_ticket_is_given_with_tls_1_3(stage: TlsStage) -> None:
    said = s_client(stage, "-tls1_3", "-msg")
    assert said.count("NewSessionTicket") == 1


# Python's ssl.


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_python_verifies_and_keeps_its_connection(stage: TlsStage, version: str) -> None:
    context = trusting(stage.authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    client = stage.tls_client(context)
    assert tls_of(client).version() == version.replace("_", ".")
    assert tls_of(client).compression() is None
    for _ in range(5):
        assert stage.ask_echo(client, f"/echo/{version}")["host"] == "localhost"
    record = stage.record_of(f"/echo/{version}")
    assert record["tls_version"] == version.replace("_", ".")
    assert record["tls_sni"] == "localhost"
    assert record["protocol"] == "HTTPS"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_python_resumes_its_session(stage: TlsStage, version: str) -> None:
    context = trusting(stage.authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    session = None
    for expected in (False, True, True):
        client = stage.tls_client(context, session=session)
        stage.ask_echo(client)
        assert tls_of(client).session_reused is expected
        session = tls_of(client).session
        client.close()


def test_requests_over_both_ways_reach_the_same_backend(stage: TlsStage) -> None:
    plain, secret = stage.client(), stage.tls_client()
    _, peer = stage.exchange(plain, "/plain")
    assert stage.exchange(secret, "/secret")[1] is peer


def test_http_1_1_is_what_alpn_settles(stage: TlsStage) -> None:
    context = trusting(stage.authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = stage.tls_client(context)
    assert tls_of(client).selected_alpn_protocol() == "http/1.1"
    stage.ask_echo(client)


def test_an_alpn_that_is_not_ours_is_refused(stage: TlsStage) -> None:
    context = trusting(stage.authority)
    context.set_alpn_protocols(["spdy/3"])
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        stage.tls_client(context)


def test_the_end_of_a_connection_is_said(stage: TlsStage) -> None:
    client = stage.tls_client()
    client.send(ASK.encode())
    assert client.receive_rest(SECONDS_MAX).startswith(b"HTTP/1.1 200 ")
    # tls_connect takes a bare FIN for a fault.
