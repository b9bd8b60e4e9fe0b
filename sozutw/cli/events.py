"""`sozutw events`: what happens, as it happens."""

import sys
from datetime import datetime

import click

from sozutw.cli import spelling
from sozutw.cli.asking import Patience, Proxy, as_json, until_interrupted
from sozutw.cli.commands import Command, examples
from sozutw.cli.outcome import UNKNOWN, UNREACHABLE, NotDoneError
from sozutw.config.table import printable
from sozutw.control.client import BrokenChannelError, TimedOutError
from sozutw.control.messages.records import content_to_json
from sozutw.control.proto import command_pb2 as pb


@click.command(
    cls=Command,
    epilog=examples("sozutw events -c sozutw.toml", "sozutw events -j -c sozutw.toml | jq -c"),
)
@click.pass_context
def events(ctx: click.Context) -> None:
    """
    Print what happens, a line each, until Ctrl-C ends it with status 130.

    A line is the time, who tells it (main, or a worker's id), what it is, and what it is about.
    With -j it is one JSON object, and so is what ended it. -t is how long there may be nothing to
    tell; for ever, if not given. If the proxy goes away, the status is 3.
    """
    proxy = Proxy(ctx, Patience.ENDLESS)
    try:
        with until_interrupted():
            for response in proxy.events(pb.Request(subscribe_events=pb.SubscribeEvents())):
                if response.content.HasField("event"):
                    click.echo(line(response, is_json=proxy.is_json))
                    sys.stdout.flush()
    except NotDoneError as error:
        ended = _how_it_ended(error, proxy)
        ended.json_indent = None
        raise ended from error


def _how_it_ended(error: NotDoneError, proxy: Proxy) -> NotDoneError:
    """Return what it means for one who only listens that there is no more."""
    match error.__cause__:
        case BrokenChannelError():
            return NotDoneError(f"sozutw at {proxy.where.path} is gone", UNREACHABLE)
        case TimedOutError():
            text = f"nothing has happened for {proxy.timeout:g} s"
            return NotDoneError(text, UNKNOWN, "-t MS waits longer, -t 0 without limit.")
        case _:
            return error


def line(response: pb.Response, *, is_json: bool, now: datetime | None = None) -> str:
    """Return how an event is told."""
    if is_json:
        told = {"from": response.message, **content_to_json(response.content)}
        return as_json(told, indent=None)
    event = response.content.event
    words = [
        (now or datetime.now().astimezone()).isoformat(timespec="milliseconds"),
        printable(response.message),
        pb.EventKind.Name(event.kind),
    ]
    if event.HasField("cluster_id"):
        words.append(f"cluster={printable(event.cluster_id)}")
    if event.HasField("backend_id"):
        words.append(f"backend={printable(event.backend_id)}")
    if event.HasField("address"):
        words.append(f"address={printable(spelling.address(event.address))}")
    if event.HasField("metric_detail"):
        change = event.metric_detail
        old, new = (
            pb.MetricDetail.Name(detail).removeprefix("DETAIL_").lower()
            for detail in (change.previous_effective, change.effective)
        )
        words.append(f"detail={old}->{new}")
    return " ".join(words)
