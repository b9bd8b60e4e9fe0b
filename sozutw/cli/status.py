"""`sozutw status`, `shutdown`, `upgrade` and `logging`: the processes themselves."""

import sys
from collections.abc import Iterator

import click

from sozutw.cli import values
from sozutw.cli.asking import Patience, Proxy, carry_out, order, tell
from sozutw.cli.commands import Command, examples
from sozutw.cli.outcome import SOME_FAILED
from sozutw.cli.tables import columns, table
from sozutw.control.proto import command_pb2 as pb
from sozutw.sessions.tally import Tally


@click.command(
    cls=Command, epilog=examples("sozutw status -c sozutw.toml", "sozutw status -s sozu.sock -j")
)
@click.pass_context
def status(ctx: click.Context) -> None:
    """
    Tell which processes there are, and whether they answer.

    Of one that stops it tells who is still connected, by what they do: how long the oldest of them
    has been, and how long the stop may still take. Exits 5 if a worker does not answer.
    """
    proxy = Proxy(ctx)
    response = proxy.ask(pb.Request(status=pb.Status()))
    tell(proxy, response, show_workers)
    if any(worker.run_state == pb.NOT_ANSWERING for worker in response.content.workers.vec):
        sys.exit(SOME_FAILED)


def show_workers(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of each worker."""
    rows = (
        (str(worker.id), str(worker.pid), pb.RunState.Name(worker.run_state).lower())
        for worker in content.workers.vec
    )
    yield from table(columns(">worker", ">pid", "state"), rows)
    for worker in content.workers.vec:
        if worker.HasField("drain"):
            yield f"worker {worker.id} stops: {_awaited(worker.drain)}"


def _awaited(drain: pb.DrainState) -> str:
    counts = drain.idle, drain.exchange, drain.tunnel, drain.closing
    left = drain.seconds_left if drain.HasField("seconds_left") else None
    return Tally(*counts, drain.oldest_seconds).awaited(left)


@click.command(
    cls=Command,
    epilog=examples("sozutw shutdown -c sozutw.toml", "sozutw shutdown --hard -c sozutw.toml"),
)
@click.option("--hard", is_flag=True, help="Wait for nobody.")
def shutdown(hard: bool) -> None:
    """
    Stop the proxy once the exchanges under way have ended.

    They have graceful_shutdown_timeout of the configuration. The command waits until they have
    ended, unless -t says for how long.
    """
    carry_out(order("hard_stop" if hard else "soft_stop", {}), patience=Patience.ENDLESS)


@click.command(
    cls=Command,
    epilog=examples("sozutw upgrade -c sozutw.toml", "sozutw upgrade --worker 0 -c sozutw.toml"),
)
@click.option("--worker", metavar="ID", type=values.NUMBER, help="Only this worker.")
def upgrade(worker: int | None) -> None:
    """
    Put the program that is installed now in the place of the one that runs.

    A new process takes over: sockets, what is configured, and the settings of the file as it is
    now. The old one sees its clients out. If that fails, the old one goes on, and the answer says
    why. With --worker one worker is replaced, by one of the program as it is now.
    """
    if worker is None:
        request = pb.Request(upgrade_main=pb.UpgradeMain())
    else:
        request = pb.Request(upgrade_worker=worker)
    carry_out(request, patience=Patience.LONG)


@click.command(
    cls=Command,
    epilog=examples(
        "sozutw logging info -c sozutw.toml",
        "sozutw logging 'info,sozutw.backend=debug' -c sozutw.toml",
    ),
)
@click.argument("filter_", metavar="FILTER")
def logging(filter_: str) -> None:
    """
    Change what is written to the log, until the proxy is started anew.

    FILTER is a level (error, warn, info, debug, trace), or levels for parts: MODULE=LEVEL with
    commas between them.
    """
    carry_out(pb.Request(Logging=filter_))
