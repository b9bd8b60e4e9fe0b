"""Clients and backends that speak TLS, and a proxy that listens for them."""

import json
import os
import shutil
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from typing_extensions import override

from tests.e2e.certificates import Authority, Issued
from tests.e2e.harness import (
    BIN,
    DEADLINE_SECONDS,
    Deadline,
    Peer,
    Process,
    ReservedPort,
    connect,
    wait_until,
    with_workers,
)
from tests.e2e.stage import PATIENT, SECONDS_MAX, ScriptedBackend, Stage, get, status_of

TLS_GAUGES = ("protocol.https", "protocol.wss", "protocol.tls.handshake")


# Clients.


def program(name: str) -> str:
    """Return where a program is; without it the test is skipped, and fails where CI is set."""
    path = shutil.which(name)
    if path is None:
        assert not os.environ.get("CI"), f"{name} is missing"
        pytest.skip(f"no {name}")
    return path


def trusting(authority: Authority | None) -> ssl.SSLContext:
    """Return a client's context that verifies against an authority, or nothing at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authority.pem)
    return context


def tls_connect(
    port: int,
    context: ssl.SSLContext,
    server_name: str | None = "localhost",
    session: ssl.SSLSession | None = None,
) -> Peer:
    """
    Return a client whose handshake is done.

    It takes no bare close of the connection for an end: without close_notify, reading raises
    SSLEOFError.
    """
    peer = connect(port)
    try:
        peer.sock = context.wrap_socket(
            peer.sock, server_hostname=server_name, session=session, suppress_ragged_eofs=False
        )
    except BaseException:
        peer.close()
        raise
    return peer


def tls_of(peer: Peer) -> ssl.SSLSocket:
    """Return the TLS below a client."""
    assert isinstance(peer.sock, ssl.SSLSocket)
    return peer.sock


def shown_by(peer: Peer) -> str:
    """Return the fingerprint of the certificate that a client was shown."""
    der = tls_of(peer).getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).fingerprint(SHA256()).hex()


# Servers.


class TlsBackend(ScriptedBackend):
    """A backend whose connections begin with a handshake."""

    def __init__(self, context: ssl.SSLContext, name: str = "backend") -> None:
        super().__init__(name=name)
        self.context = context
        self.names: list[str | None] = []
        """What was asked for, by each who came."""
        context.sni_callback = lambda _tls, asked, _context: self.names.append(asked)

    def accept_plainly(self, seconds: float = DEADLINE_SECONDS) -> Peer:
        """Take a connection, and leave the handshake to the test."""
        peer = super().accept(seconds)
        peer.sock.settimeout(seconds)
        return peer

    @override
    def accept(self, seconds: float = DEADLINE_SECONDS) -> Peer:
        peer = self.accept_plainly(seconds)
        peer.sock = self.context.wrap_socket(
            peer.sock, server_side=True, suppress_ragged_eofs=False
        )
        return peer

    def accept_refused(self, seconds: float = DEADLINE_SECONDS) -> ssl.SSLError | OSError:
        """Take a connection on which the proxy breaks off, and return how it did."""
        peer = self.accept_plainly(seconds)
        try:
            peer.sock = self.context.wrap_socket(peer.sock, server_side=True)
            # With TLS 1.3 this side is through before the other has judged its certificate.
            data = peer.sock.recv(1)
        except OSError as error:
            return error
        finally:
            peer.close()
        assert data == b"", "a backend that should have been refused was asked"
        return OSError("closed")


def serving(issued: Issued, folder: Path) -> ssl.SSLContext:
    """Return the context of a server that shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.load_into(context, folder)
    return context


class Answering(BaseHTTPRequestHandler):
    """Tell the fields that came, and close: nothing of it is left in a pool."""

    kind = "application/json"

    def body(self) -> bytes:
        """Return what answers the request."""
        told = [[name.lower(), value] for name, value in self.headers.items()]
        return json.dumps({"path": self.path, "fields": told}).encode()

    def do_GET(self) -> None:
        body = self.body()
        self.send_response(200)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class EchoServer(ThreadingHTTPServer):
    """A server that answers by itself with what it was asked, for tools that wait for no test."""

    daemon_threads = False

    def __init__(self, connection: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), connection)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @override
    def __str__(self) -> str:
        return f"127.0.0.1:{self.server_port}"


# The proxy.


class TlsStage(Stage):
    """
    A stage with a plain listener and one for TLS, which serves a certificate for localhost.

    All requests lead to the scripted backends, but for those to ``/echo``, which go to one that
    answers by itself. ``listener`` adds to the table of the TLS listener, ``rule`` to the rule
    that leads from it, ``rules`` are more of these, ``echoes`` lead to the one that answers by
    itself, and ``more`` is the end of the file.
    """

    def __init__(
        self,
        folder: Path,
        backends: Sequence[ScriptedBackend] | None = None,
        *,
        top: str = "",
        listener: str = "",
        rule: str = "",
        rules: Sequence[str] = (),
        cluster: str = "",
        more: str = "",
        echoes: str = "",
        echo: type[BaseHTTPRequestHandler] = Answering,
        authority: Authority | None = None,
    ) -> None:
        self.folder = folder
        self.authority = authority or Authority()
        self.certificate = self.authority.issue("localhost", "127.0.0.1")
        (folder / "root.pem").write_text(self.authority.pem, encoding="ascii")
        self.reserved = ReservedPort()
        self.port = self.reserved.port
        self._reserved_tls = ReservedPort()
        self.tls_port = self._reserved_tls.port
        self.backends = [ScriptedBackend(name="A")] if backends is None else list(backends)
        self.echo = EchoServer(echo)
        self.clients = []
        self.log_path = folder / "access.log"
        tls = f"127.0.0.1:{self.tls_port}"
        entries = ", ".join(
            f'{{ address = "{backend}", backend_id = "{backend.name}" }}'
            for backend in self.backends
        )
        common = 'hostname = "*", position = "PRE"'
        served = self.certificate.write(folder, "localhost").replace(", ", "\n")
        parts = [
            PATIENT if "_timeout" not in top else "",
            with_workers(top),
            f'access_logs_target = "file://{self.log_path}"\naccess_logs_format = "json"',
            f'[[listeners]]\nprotocol = "http"\naddress = "127.0.0.1:{self.port}"',
            f'[[listeners]]\nprotocol = "https"\naddress = "{tls}"\n{served}',
            "" if "alpn_protocols" in listener else 'alpn_protocols = ["http/1.1"]',
            listener,
            '[clusters.echo]\nprotocol = "http"',
            f'frontends = [{{ address = "{tls}", {common}, path = "/echo" }}, {echoes}]',
            f'backends = [{{ address = "{self.echo}" }}]',
            '[clusters.test]\nprotocol = "http"\nfrontends = [',
            f'    {{ address = "127.0.0.1:{self.port}", {common} }},',
            f'    {{ address = "{tls}", {common}{rule and ", "}{rule} }},',
            *(f'    {{ address = "{tls}", {one} }},' for one in rules),
            f"]\nbackends = [{entries}]",
            cluster,
            more,
        ]
        config = folder / "sozutw.toml"
        config.write_text("\n".join(parts) + "\n", encoding="utf-8")
        self.process = Process([BIN / "twistd", "-n", "sozutw", "--config", config], folder)
        self.descriptors = 0
        self.has_stopped = False

    @override
    def __enter__(self) -> Self:
        self.echo.__enter__()
        try:
            self.process.wait_for_port(self.tls_port)
            return super().__enter__()
        except BaseException:
            self.echo.__exit__()
            raise

    @override
    def _give_up(self) -> None:
        super()._give_up()
        self._reserved_tls.close()

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.echo.__exit__()

    @override
    def gauges(self) -> dict[str, int]:
        told = self.counters()["proxy"]
        return super().gauges() | {name: told[name] for name in TLS_GAUGES}

    def tls_counters(self) -> dict[str, int]:
        """Return the counters of TLS that are not zero."""
        told = self.counters()["proxy"]
        return {
            name: value
            for name, value in told.items()
            if name.startswith("tls.") and isinstance(value, int) and value
        }

    def failures(self) -> int:
        """Return how many handshakes failed."""
        counted = self.tls_counters()
        return sum(counted[name] for name in counted if name.startswith("tls.handshake.failed."))

    def tls_client(
        self,
        context: ssl.SSLContext | None = None,
        server_name: str | None = "localhost",
        session: ssl.SSLSession | None = None,
        port: int | None = None,
    ) -> Peer:
        """Connect a client, by default one that trusts the stage's authority."""
        context = context or trusting(self.authority)
        client = tls_connect(port or self.tls_port, context, server_name, session)
        self.clients.append(client)
        return client

    def ask_echo(self, client: Peer, path: str = "/echo", more: str = "") -> dict[str, str]:
        """Return the fields that a backend is told for a request of this client."""
        client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        head, body = client.receive_message(SECONDS_MAX)
        assert status_of(head) == 200, head + body
        return dict(json.loads(body)["fields"])

    def ask_status(self, client: Peer, host: str = "localhost", path: str = "/echo") -> int:
        """Return the status of what comes back for a GET."""
        client.send(get(path, host))
        return status_of(client.receive_message(SECONDS_MAX)[0])

    def records(self, count: int) -> list[dict[str, Any]]:
        """Wait until the access log has so many records, and return them."""
        wait_until(lambda: len(self._log_lines()) >= count, f"{count} records", said=self.said)
        lines = self._log_lines()
        assert len(lines) == count, lines
        return [json.loads(line) for line in lines]

    def record_of(self, path: str) -> dict[str, Any]:
        """Wait until the access log has a record of this path, and return the last one."""

        def found() -> list[dict[str, Any]]:
            return [told for told in map(json.loads, self._log_lines()) if told["path"] == path]

        wait_until(lambda: bool(found()), f"a record of {path}", said=self.said)
        return found()[-1]

    def _log_lines(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self.log_path.read_text(encoding="ascii").rpartition("\n")[0].splitlines()
        return []

    def wait_for_certificate(self, fingerprint: str, server_name: str = "localhost") -> None:
        """Wait until new handshakes are served this certificate."""
        deadline = Deadline(f"the certificate {fingerprint}")
        while True:
            with tls_connect(self.tls_port, trusting(None), server_name) as client:
                if shown_by(client) == fingerprint:
                    return
            deadline.check(self.said)
