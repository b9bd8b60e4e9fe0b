"""`sozutw metrics`: what was counted and measured."""

import sys
import time

import click

from sozutw.cli import values
from sozutw.cli.asking import Proxy, carry_out, tell, until_interrupted
from sozutw.cli.commands import Group, examples
from sozutw.cli.metrics_tables import show_metrics
from sozutw.control.proto import command_pb2 as pb


@click.group(cls=Group)
def metrics() -> None:
    """Read the counters and timers, clear them, or have them kept or not."""


@metrics.command(
    epilog=examples(
        "sozutw metrics get -c sozutw.toml",
        "sozutw metrics get -n http.requests,bytes_out --no-clusters -c sozutw.toml",
        "sozutw metrics get -k shop -r 5 -c sozutw.toml",
    )
)
@click.option("-l", "--list", "lists", is_flag=True, help="Only the names that there are.")
@click.option(
    "-r",
    "--refresh",
    metavar="S",
    type=click.IntRange(min=1),
    help="Print them again every so many seconds, until Ctrl-C.",
)
@click.option("-n", "--names", type=values.WORDS, multiple=True, help="Only these metrics.")
@click.option("-k", "--clusters", type=values.WORDS, multiple=True, help="Only of these clusters.")
@click.option("-b", "--backends", type=values.WORDS, multiple=True, help="Only of these backends.")
@click.option("--no-clusters", is_flag=True, help="Leave out what belongs to a cluster.")
@click.option("-w", "--workers", is_flag=True, help="Of each worker by itself, not added up.")
@click.pass_context
def get(
    ctx: click.Context,
    lists: bool,
    refresh: int | None,
    names: tuple[list[str], ...],
    clusters: tuple[list[str], ...],
    backends: tuple[list[str], ...],
    no_clusters: bool,
    workers: bool,
) -> None:
    """
    Print the counters, gauges and timers.

    Names with commas between them may be given to -n, -k and -b, or the option several times.
    Timers are in milliseconds.
    """
    options = pb.QueryMetricsOptions(
        list=lists,
        cluster_ids=values.joined(clusters),
        backend_ids=values.joined(backends),
        metric_names=values.joined(names),
        no_clusters=no_clusters,
        workers=workers,
    )
    request = pb.Request(query_metrics=options)
    proxy = Proxy(ctx)
    if refresh is None:
        tell(proxy, proxy.ask(request), show_metrics)
        return
    with until_interrupted():
        while True:
            response = proxy.ask(request)
            if sys.stdout.isatty():
                click.clear()
            tell(proxy, response, show_metrics)
            sys.stdout.flush()
            time.sleep(refresh)


def _configure(to: pb.MetricsConfiguration) -> None:
    carry_out(pb.Request(configure_metrics=to))


@metrics.command(epilog=examples("sozutw metrics enable -c sozutw.toml"))
def enable() -> None:
    """Have them counted."""
    _configure(pb.ENABLED)


@metrics.command(epilog=examples("sozutw metrics disable -c sozutw.toml"))
def disable() -> None:
    """Have them counted no more."""
    _configure(pb.DISABLED)


@metrics.command(epilog=examples("sozutw metrics clear -c sozutw.toml"))
def clear() -> None:
    """Set the counters and timers back to nothing."""
    _configure(pb.CLEAR)
