"""`sozutw cluster health-check`: ask backends regularly whether they are well."""

from collections.abc import Iterator

import click

from sozutw.cli import spelling, values
from sozutw.cli.asking import carry_out, screen_width
from sozutw.cli.commands import Group, examples
from sozutw.cli.tables import columns, table
from sozutw.control.proto import command_pb2 as pb

_AT_LEAST_ONE = values.whole_number(1)


def _id(meaning: str, *, is_required: bool = True) -> click.Option:
    return click.Option(
        ["-i", "--id", "cluster_id"], metavar="CLUSTER", required=is_required, help=meaning
    )


@click.group("health-check", cls=Group)
def health_check() -> None:
    """Have the backends of a cluster asked regularly whether they are well."""


@health_check.command(
    "set",
    params=[_id("Of which cluster.")],
    epilog=examples(
        "sozutw cluster health-check set -i shop -u /health --interval 5 -c sozutw.toml",
        "sozutw cluster health-check set -i shop --tcp -c sozutw.toml",
    ),
)
@click.option("-u", "--uri", metavar="PATH", help="What is asked for. Needed, but with --tcp.")
@click.option(
    "--tcp", is_flag=True, help="Ask for nothing: a connection that comes about is enough."
)
@click.option(
    "--mode",
    type=click.Choice(["http", "tcp"]),
    help="tcp is --tcp, http is not: the words of Sōzu from 2.3 on.",
)
@click.option(
    "--interval",
    metavar="S",
    type=_AT_LEAST_ONE,
    default=10,
    show_default=True,
    help="Seconds from one check to the next.",
)
@click.option(
    "--probe-timeout",
    metavar="S",
    type=_AT_LEAST_ONE,
    default=5,
    show_default=True,
    help="Seconds that one check may take.",
)
@click.option(
    "--healthy-threshold",
    metavar="N",
    type=_AT_LEAST_ONE,
    default=3,
    show_default=True,
    help="How many successes in a row make a backend healthy.",
)
@click.option(
    "--unhealthy-threshold",
    metavar="N",
    type=_AT_LEAST_ONE,
    default=3,
    show_default=True,
    help="How many failures in a row make it unhealthy.",
)
@click.option(
    "--expected-status",
    metavar="CODE",
    type=click.IntRange(0, 999),
    default=0,
    show_default=True,
    help="The status of a success; 0 is any of 200 to 299.",
)
def set_(  # noqa: PLR0913, PLR0917  # an option each
    cluster_id: str,
    uri: str | None,
    tcp: bool,
    mode: str | None,
    interval: int,
    probe_timeout: int,
    healthy_threshold: int,
    unhealthy_threshold: int,
    expected_status: int,
) -> None:
    """
    Set how the backends of a cluster are checked, or change it.

    How long a check may take is --probe-timeout, as with Sōzu from 2.3 on; -t and --timeout are
    for this command, as everywhere.
    """
    if tcp and mode == "http":
        raise click.UsageError("--tcp and --mode http contradict each other.")
    is_tcp = tcp or mode == "tcp"
    if uri is None and not is_tcp:
        raise click.UsageError("-u PATH is missing: what to ask for. Or --tcp, to ask for nothing.")
    config = pb.HealthCheckConfig(
        uri="" if is_tcp else uri,
        interval=interval,
        timeout=probe_timeout,
        healthy_threshold=healthy_threshold,
        unhealthy_threshold=unhealthy_threshold,
        expected_status=expected_status,
    )
    if is_tcp:
        config.tcp = True
    carry_out(pb.Request(set_health_check=pb.SetHealthCheck(cluster_id=cluster_id, config=config)))


@health_check.command(
    params=[_id("Of which cluster.")],
    epilog=examples("sozutw cluster health-check remove -i shop -c sozutw.toml"),
)
def remove(cluster_id: str) -> None:
    """Check the backends of a cluster no more; all of them are taken for healthy then."""
    carry_out(pb.Request(remove_health_check=cluster_id))


@health_check.command(
    "list",
    params=[_id("Only of this cluster.", is_required=False)],
    epilog=examples("sozutw cluster health-check list -c sozutw.toml"),
)
def list_(cluster_id: str | None) -> None:
    """Tell how the backends of each cluster are checked."""
    query = pb.QueryHealthChecks(cluster_id=cluster_id)
    carry_out(pb.Request(query_health_checks=query), show_health_checks)


def show_health_checks(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of each check."""
    heads = columns(
        "cluster",
        "asked for",
        "expected",
        ">interval",
        ">timeout",
        ">healthy after",
        ">unhealthy after",
    )
    rows = (
        (
            cluster,
            "a connection" if check.tcp else check.uri,
            "" if check.tcp else str(check.expected_status or "2xx"),
            spelling.seconds(check.interval),
            spelling.seconds(check.timeout),
            str(check.healthy_threshold),
            str(check.unhealthy_threshold),
        )
        for cluster, check in sorted(content.health_checks_list.map.items())
    )
    yield from table(heads, rows, screen_width())
