"""`sozutw serve`: a proxy without a file."""

import sys

import click

from sozutw.config.model import Config
from sozutw.config.serve import ConfigError, serve_config
from sozutw.process.run import choose_reactor, run_in_foreground

EX_USAGE = 2

EXAMPLE = """\b
Examples:
  sozutw serve --listen 8080 --to localhost:8000 --to 127.0.0.1:8001
  sozutw serve --listen 127.0.0.1:8080 --to unix:/run/app.sock
"""


@click.command(epilog=EXAMPLE)
@click.option(
    "--listen",
    required=True,
    metavar="ADDRESS",
    help="PORT for every address of this machine, or IP:PORT.",
)
@click.option(
    "--to",
    "backends",
    required=True,
    multiple=True,
    metavar="ADDRESS",
    help="A backend: HOST:PORT or unix:PATH. Give it once for each.",
)
def serve(listen: str, backends: tuple[str, ...]) -> None:
    """
    Pass every request on to the backends in turn, without a configuration file.

    Ctrl-C stops softly, a second one at once.
    """
    try:
        config = serve_config(listen, backends)
    except ConfigError as error:
        click.echo(f"sozutw serve: {error}", err=True)
        sys.exit(EX_USAGE)
    run_in_foreground(config, choose_reactor(), started=lambda: _tell(config, backends))


def _tell(config: Config, backends: tuple[str, ...]) -> None:
    """Say what listens where."""
    for listener in config.listeners:
        click.echo(f"http://{listener.address} -> {', '.join(backends)}")
