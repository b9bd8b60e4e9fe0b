"""`sozutw sessions`: who is connected."""

from collections.abc import Iterator

import click

from sozutw.cli import spelling
from sozutw.cli.asking import carry_out, screen_width
from sozutw.cli.commands import Group, examples
from sozutw.cli.tables import columns, table
from sozutw.cli.values import Value
from sozutw.control.messages.session_numbers import number_from, text_of
from sozutw.control.proto import command_pb2 as pb


@click.group(cls=Group)
def sessions() -> None:
    """List the clients that are connected, or disconnect one."""


@sessions.command("list", epilog=examples("sozutw sessions list -c sozutw.toml"))
def list_() -> None:
    """Tell of each client that is connected: since when, and what it does."""
    carry_out(pb.Request(list_sessions=pb.ListSessions()), show_sessions)


def show_sessions(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of each session."""
    heads = columns(
        ">token", "client", "listener", "protocol", "state", ">age", ">idle", "cluster", "backend"
    )
    rows = (
        (
            text_of(session.token),
            session.peer,
            session.listener,
            session.protocol,
            session.state,
            spelling.age(session.age_seconds),
            spelling.age(session.idle_seconds),
            session.cluster_id,
            " ".join(filter(None, (session.backend_id, session.backend_address))),
        )
        for session in content.sessions.vec
    )
    yield from table(heads, rows, screen_width())


def token(text: str) -> int:
    """Read a token, as ``sessions list`` or a log line has it."""
    try:
        number = number_from(text)
    except ValueError:
        number = 0
    if not number:
        raise ValueError("a token is meant, as `sessions list` prints it")
    return number


@sessions.command(epilog=examples("sozutw sessions kill 4711 -c sozutw.toml"))
@click.argument("token", type=Value("TOKEN", token))
def kill(token: int) -> None:
    """
    Disconnect a client at once.

    TOKEN is what `sessions list` prints: WORKER:GENERATION:NUMBER, or a number alone. It is never
    given twice: one that has gone cannot mean somebody else.
    """
    carry_out(pb.Request(kill_session=token))
