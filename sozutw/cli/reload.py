"""`sozutw reload`, `apply` and `diff`: make what a configuration file says true."""

from collections.abc import Iterator

import click

from sozutw.cli import values
from sozutw.cli.asking import Patience, carry_out
from sozutw.cli.changes import change
from sozutw.cli.commands import Command, examples
from sozutw.control.proto import command_pb2 as pb

keep_option = click.option(
    "--keep", is_flag=True, help="Remove nothing: what the file does not have stays, as with Sōzu."
)


@click.command(
    cls=Command,
    epilog=examples(
        "sozutw reload -c sozutw.toml",
        "sozutw reload --keep -f other.toml -c sozutw.toml",
    ),
)
@click.option(
    "-f", "--file", "path", type=values.PATH, help="Another file than the one it was started with."
)
@keep_option
def reload(path: str | None, keep: bool) -> None:
    """
    Have the proxy read its configuration again, and do what differs.

    What is no longer in the file is removed, unless --keep says otherwise. A file that is wrong
    changes nothing. Connections that have nothing to do with what differs go on.
    """
    if keep:
        asked = pb.ApplyConfiguration(path=path or "", keep=True)
        request = pb.Request(apply_configuration=asked)
    else:
        request = pb.Request(reload_configuration=path or "")
    carry_out(request, patience=Patience.LONG)


@click.command(cls=Command, epilog=examples("sozutw apply new.toml -c sozutw.toml"))
@click.argument("path", metavar="FILE", type=values.PATH)
@keep_option
def apply(path: str, keep: bool) -> None:
    """
    Make what a file says true, and tell what was changed for it.

    All of it is done or, if anything is wrong, nothing. `diff FILE` tells beforehand.
    """
    asked = pb.ApplyConfiguration(path=path, keep=keep)
    carry_out(pb.Request(apply_configuration=asked), show_changes, Patience.LONG)


@click.command(cls=Command, epilog=examples("sozutw diff new.toml -c sozutw.toml"))
@click.argument("path", metavar="FILE", type=values.PATH)
@keep_option
def diff(path: str, keep: bool) -> None:
    """
    Tell what `apply FILE` would change, and change nothing.

    A line begins with + for what would be added, - for what would be removed, and ~ for what
    would be changed.
    """
    asked = pb.ApplyConfiguration(path=path, keep=keep, dry_run=True)
    carry_out(pb.Request(apply_configuration=asked), show_changes, Patience.LONG)


def show_changes(content: pb.ResponseContent) -> Iterator[str]:
    """Tell each change in a line."""
    requests = content.changes.requests
    yield from map(change, requests)
    yield f"{len(requests)} changes" if len(requests) != 1 else "1 change"
