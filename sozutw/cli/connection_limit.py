"""`sozutw connection-limit`: how many connections one client may have to one cluster."""

from collections.abc import Iterator

import click

from sozutw.cli import values
from sozutw.cli.asking import carry_out
from sozutw.cli.commands import Group, examples
from sozutw.control.proto import command_pb2 as pb


@click.group("connection-limit", cls=Group)
def connection_limit() -> None:
    """Limit the connections that one IP address may have to one cluster."""


@connection_limit.command("set", epilog=examples("sozutw connection-limit set 100 -c sozutw.toml"))
@click.argument("limit", metavar="LIMIT", type=values.whole_number(bits=64))
def set_(limit: int) -> None:
    """
    Set the limit for all clusters that have none of their own.

    0 is without limit. It holds until the proxy is started anew.
    """
    carry_out(pb.Request(set_max_connections_per_ip=limit))


@connection_limit.command(epilog=examples("sozutw connection-limit remove -c sozutw.toml"))
def remove() -> None:
    """Have no limit any more; the same as `set 0`."""
    carry_out(pb.Request(set_max_connections_per_ip=0))


@connection_limit.command(epilog=examples("sozutw connection-limit show -c sozutw.toml"))
def show() -> None:
    """Tell the limit that holds now."""
    request = pb.Request(query_max_connections_per_ip=pb.QueryMaxConnectionsPerIp())
    carry_out(request, show_limit)


def show_limit(content: pb.ResponseContent) -> Iterator[str]:
    """Tell a limit in words."""
    limit = content.max_connections_per_ip_limit.limit
    if limit:
        yield f"{limit} connections for each cluster and source IP address"
    else:
        yield "no limit"
