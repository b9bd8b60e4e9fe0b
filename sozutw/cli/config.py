"""`sozutw config`: questions about a configuration file."""

import socket
import sys

import click

from sozutw.cli.asking import as_json
from sozutw.cli.commands import JSON, Group, examples
from sozutw.cli.options import config_option, skip_unsupported_option
from sozutw.config.file import names
from sozutw.process.configuration import EX_CONFIG, Verdict, read_configuration


@click.group(cls=Group)
def config() -> None:
    """Ask about a configuration file."""


@config.command(epilog=examples("sozutw config check -c sozutw.toml"))
@config_option
@skip_unsupported_option
@click.pass_context
def check(ctx: click.Context, path: str, skip_unsupported: bool) -> None:
    """
    Say all that is wrong with FILE, a line each, and what its host names resolve to.

    Exits 0 when `sozutw start` would take it, and 78 when it would not. A line reads
    FILE:LINE: what is wrong; what is meant.
    """
    verdict = read_configuration(path, skip_unsupported=skip_unsupported)
    if ctx.meta.get(JSON):
        click.echo(as_json(_told(verdict)))
        if verdict.config is None:
            sys.exit(EX_CONFIG)
        return
    for line in verdict.lines():
        click.echo(line)
    if verdict.config is None:
        sys.exit(EX_CONFIG)
    for name in names(verdict.config):
        click.echo(f"{name} is {resolve(name)}")
    click.echo(f"{path}: good")


def _told(verdict: Verdict) -> dict[str, object]:
    """Return a verdict for programs."""
    found = [] if verdict.config is None else names(verdict.config)
    problems = [
        {"line": problem.line, "severity": problem.severity.value, "text": problem.text}
        for problem in verdict.problems
    ]
    return {
        "file": verdict.path,
        "good": verdict.config is not None,
        "problems": problems,
        "names": {name: resolve(name) for name in found},
    }


def resolve(name: str) -> str:
    """
    Return the addresses that a host name has now, or why it has none.

    A name without an address is no error: it is asked for again whenever it is dialled.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return f"not known now ({error.strerror})"
    return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))
