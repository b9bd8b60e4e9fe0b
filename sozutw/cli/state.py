"""`sozutw state`: what the proxy holds now, saved to a file and loaded from one."""

from collections.abc import Iterator

import click

from sozutw.cli import values
from sozutw.cli.asking import Patience, carry_out
from sozutw.cli.commands import Group, examples
from sozutw.cli.tables import columns, table
from sozutw.control.proto import command_pb2 as pb


def file_option(meaning: str) -> click.Option:
    """Return ``-f``, which must be given."""
    return click.Option(["-f", "--file", "path"], type=values.PATH, required=True, help=meaning)


@click.group(cls=Group)
def state() -> None:
    """Save what the proxy holds now, or load what was saved."""


@state.command(
    params=[file_option("Where to; a file that is there is replaced.")],
    epilog=examples(
        "sozutw state save -f /var/lib/sozutw/state.json -c sozutw.toml",
        "sozutw state save --without-keys -f state.json -c sozutw.toml",
    ),
)
@click.option(
    "--without-keys",
    is_flag=True,
    help="Leave private keys out, with the certificates they are of.",
)
def save(path: str, without_keys: bool) -> None:
    """
    Have the proxy write all that it holds to a file that `state load` reads.

    The file holds private keys, and only the user of the proxy may read it. It is in Sōzu's
    format. A path that is not absolute is seen from where this command is called.
    """
    if without_keys:
        request = pb.Request(save_state_as=pb.SaveState(path=path, without_keys=True))
    else:
        request = pb.Request(save_state=path)
    carry_out(request, patience=Patience.LONG)


@state.command(
    params=[file_option("What `state save` has written, of sozutw or of Sōzu.")],
    epilog=examples("sozutw state load -f /var/lib/sozutw/state.json -c sozutw.toml"),
)
def load(path: str) -> None:
    """
    Have the proxy add what a file holds; nothing is removed.

    A path that is not absolute is seen from where this command is called.
    """
    carry_out(pb.Request(load_state=path), patience=Patience.LONG)


@state.command(epilog=examples("sozutw state stats -c sozutw.toml"))
def stats() -> None:
    """Count the requests that made the state what it is, by their kinds."""
    carry_out(pb.Request(count_requests=pb.CountRequests()), show_counts)


def show_counts(content: pb.ResponseContent) -> Iterator[str]:
    """Tell each kind and its count."""
    counts = sorted(content.request_counts.map.items())
    yield from table(columns("request", ">count"), ((kind, str(n)) for kind, n in counts))
