"""`sozutw demo`: a proxy and two small backends in one process, to try with curl."""

import time
from dataclasses import replace
from typing import Any

import click
from twisted.internet.task import LoopingCall
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from typing_extensions import override

from sozutw.config.model import Config, HttpListener, HttpsListener, InetAddress
from sozutw.config.serve import serve_config
from sozutw.process.run import choose_reactor, run_in_foreground
from sozutw.transport.tls import selfsigned

STOP_SECONDS = 1.0
EXAMPLE = """\b
Example:
  sozutw demo --port 9000
"""


class QuietSite(Site):
    """A web server that leaves the access log to the proxy."""

    noisy = False

    @override
    def log(self, request: HttpRequest) -> None:
        pass


class Greeting(Resource):
    """Answer with one's name and with what the proxy passed on."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, name: str, reactor: Any) -> None:
        super().__init__()
        self._name = name
        self._reactor = reactor

    @override
    def render(self, request: Request) -> bytes | int:
        if request.path == b"/sse":
            return self._send_events(request)
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        fields = [
            name + b": " + value
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        body = request.content.read() if request.content is not None else b""
        lines = [
            b"Hello from " + self._name.encode() + b".",
            b"",
            request.method + b" " + request.uri,
            *fields,
            b"",
            f"and {len(body)} bytes of body.".encode(),
        ]
        return b"" if request.method == b"HEAD" else b"\n".join(lines) + b"\n"

    def _send_events(self, request: Request) -> int:
        """Send an event a second, for ever: nothing on the way may hold them back."""
        request.setHeader(b"Content-Type", b"text/event-stream")
        request.setHeader(b"Cache-Control", b"no-store")
        clock = LoopingCall.withCount(
            lambda _count: request.write(b"data: tick from " + self._name.encode() + b"\n\n")
        )
        clock.clock = self._reactor
        request.notifyFinish().addBoth(lambda _lost: clock.stop())
        clock.start(1.0)
        return NOT_DONE_YET


@click.command(epilog=EXAMPLE)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    envvar="SOZUTW_DEMO_PORT",
    show_envvar=True,
    help="Where the proxy listens.",
)
@click.option(
    "--tls-port",
    default=8443,
    show_default=True,
    envvar="SOZUTW_DEMO_TLS_PORT",
    show_envvar=True,
    help="Where it speaks TLS, with a certificate made on the spot.",
)
def demo(port: int, tls_port: int) -> None:
    """
    Run a proxy on 127.0.0.1 with two small backends of its own.

    Nothing else is needed. Ctrl-C stops it.
    """
    reactor = choose_reactor()
    backends = []
    for name in ("backend one", "backend two"):
        site = QuietSite(Greeting(name, reactor), reactor=reactor)
        listening = reactor.listenTCP(0, site, interface="127.0.0.1")
        backends.append(f"127.0.0.1:{listening.getHost().port}")
    config = _with_tls(serve_config(f"127.0.0.1:{port}", backends), tls_port)
    # Twisted tells of each port that it opens; here a table does. A browser keeps its connections
    # open for a minute, and Ctrl-C is not to wait for that.
    settings = replace(config.settings, log_level="warn", graceful_shutdown_timeout=STOP_SECONDS)
    config = replace(config, settings=settings)
    run_in_foreground(config, reactor, started=lambda: _tell(port, tls_port, backends))


def _with_tls(config: Config, port: int) -> Config:
    """Lead what comes over TLS to the same backends."""
    held = selfsigned.make(("localhost", "127.0.0.1"), time.time())
    address = InetAddress("127.0.0.1", port)
    https = HttpsListener(HttpListener(address), certificate=held)
    rules = [replace(rule, address=address) for rule in config.frontends]
    return replace(config, https_listeners=(https,), https_frontends=tuple(rules))


def _tell(port: int, tls_port: int, backends: list[str]) -> None:
    """Say what listens where, and what to try."""
    proxy = f"http://127.0.0.1:{port}"
    secure = f"https://127.0.0.1:{tls_port}"
    click.echo(f"the proxy     {proxy}")
    click.echo(f"over TLS      {secure}")
    for number, address in zip(("one", "two"), backends, strict=True):
        click.echo(f"backend {number}   http://{address}")
    click.echo("Try, in another terminal:")
    click.echo(f"  curl -i {proxy}/        # again and again: the backends answer in turn")
    click.echo(f"  curl -N {proxy}/sse     # an event a second")
    click.echo(f"  curl -k {secure}/       # over TLS; -k, for nobody has signed its certificate")
    click.echo("Ctrl-C stops.")
