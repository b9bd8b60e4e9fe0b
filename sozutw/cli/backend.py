"""`sozutw backend`: the servers of a cluster."""

import click

from sozutw.cli import values
from sozutw.cli.asking import carry_out
from sozutw.cli.commands import Group, examples
from sozutw.control.proto import command_pb2 as pb

_WEIGHT_MAX = 255


@click.group(cls=Group)
def backend() -> None:
    """Add a server to a cluster, or remove one."""


def _which() -> list[click.Parameter]:
    return [
        click.Option(
            ["-i", "--id", "cluster_id"], metavar="CLUSTER", required=True, help="Of which cluster."
        ),
        click.Option(
            ["--backend-id"], metavar="ID", required=True, help="What the backend is called there."
        ),
        click.Option(
            ["-a", "--address"],
            type=values.BACKEND_ADDRESS,
            required=True,
            help="Where it is: an IP address or a host name and a port, or unix:PATH.",
        ),
    ]


@backend.command(
    params=_which(),
    epilog=examples(
        "sozutw backend add -i shop --backend-id shop-2 -a 10.0.0.7:8080 -c sozutw.toml",
        "sozutw backend add -i shop --backend-id spare -a spare.internal:8080 -b true "
        "-w 10 -c sozutw.toml",
    ),
)
@click.option(
    "-s", "--sticky-id", metavar="TEXT", help="What the cookie of a sticky session says for it."
)
@click.option(
    "-b",
    "--backup",
    metavar="true|false",
    type=click.BOOL,
    help="Whether it is used only when no other of its cluster can be.",
)
@click.option(
    "-w",
    "--weight",
    metavar="N",
    type=click.IntRange(1, _WEIGHT_MAX),
    help="Its share beside the others', 1 to 255; 100 if not given.",
)
def add(
    cluster_id: str,
    backend_id: str,
    address: pb.SocketAddress,
    sticky_id: str | None,
    backup: bool | None,
    weight: int | None,
) -> None:
    """
    Add a server to a cluster, or put this in the place of the one with the same id and address.

    The next requests may go to it.
    """
    parameters = None if weight is None else pb.LoadBalancingParams(weight=weight)
    added = pb.AddBackend(
        cluster_id=cluster_id,
        backend_id=backend_id,
        address=address,
        sticky_id=sticky_id,
        load_balancing_parameters=parameters,
    )
    if backup is not None:
        added.backup = backup
    carry_out(pb.Request(add_backend=added))


@backend.command(
    params=_which(),
    epilog=examples(
        "sozutw backend remove -i shop --backend-id shop-2 -a 10.0.0.7:8080 -c sozutw.toml"
    ),
)
def remove(cluster_id: str, backend_id: str, address: pb.SocketAddress) -> None:
    """
    Remove a server from a cluster.

    What it is answering now is finished; the next requests go to others.
    """
    removed = pb.RemoveBackend(cluster_id=cluster_id, backend_id=backend_id, address=address)
    carry_out(pb.Request(remove_backend=removed))
