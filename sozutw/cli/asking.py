"""Ask the running proxy for something, and tell what it answered."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from enum import Enum
from threading import Lock, Timer
from typing import Any, Final, Self

import click

from sozutw.cli.advice import on_refusal
from sozutw.cli.commands import JSON
from sozutw.cli.outcome import (
    INTERRUPTED,
    REFUSED,
    SOME_FAILED,
    UNKNOWN,
    UNREACHABLE,
    NotDoneError,
)
from sozutw.cli.where import find
from sozutw.config.table import printable
from sozutw.control.client import BrokenChannelError, Client, TimedOutError, UnreachableError
from sozutw.control.messages.records import content_to_json
from sozutw.control.proto import command_pb2 as pb

Show = Callable[[pb.ResponseContent], Iterable[str]]
"""Makes the lines that a person reads of an answer's content."""

LONG_SECONDS: Final = 60.0
"""How long a silence is taken for work where a command may take long."""

QUIET_SECONDS: Final = 1.0
"""Progress is told of what takes longer; of all that takes long, to somebody at a terminal."""

_BY_WORKER: Final = re.compile(r"^(?:worker )?\d+: ", re.MULTILINE)
"""How a line begins that says what one worker said, with Sōzu and here."""

_NOT_ASCII: Final = re.compile(r"[^\n -~]")


class Patience(Enum):
    """How long an answer is waited for if the command line does not say."""

    USUAL = "ctl_command_timeout of the configuration"
    LONG = "60 seconds since the proxy was last heard"
    ENDLESS = "for ever"


class Proxy:
    """
    The proxy that a command line means; one connection for all that is asked of it.

    Raises NotDoneError if the command line names none.
    """

    def __init__(self, ctx: click.Context, patience: Patience = Patience.USUAL) -> None:
        self.where = find(ctx)
        self.is_json = bool(ctx.meta.get(JSON))
        self.timeout = self.where.timeout
        if not self.where.is_timeout_asked and patience is not Patience.USUAL:
            self.timeout = LONG_SECONDS if patience is Patience.LONG else None
        self.tells_progress = patience is not Patience.USUAL
        self._client = Client(self.where.path, self.timeout)
        ctx.call_on_close(self._client.close)

    def ask(self, request: pb.Request) -> pb.Response:
        """Return the answer to a request; NotDoneError if it is a refusal, or if there is none."""
        progress = Progress() if self.tells_progress else None
        with self.reached(), progress or nullcontext():
            for response in self._client.ask(request):
                if response.status != pb.PROCESSING:
                    return self._accepted(response)
                if progress is not None:
                    progress.told(response.message)
        raise AssertionError("the last response is OK or FAILURE, or there was an error")

    def events(self, request: pb.Request) -> Iterator[pb.Response]:
        """Yield what the proxy tells until it refuses to, which is a NotDoneError."""
        with self.reached():
            for response in self._client.ask(request):
                if response.status == pb.PROCESSING:
                    yield response
                else:
                    self._accepted(response)

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Turn what may happen on the way to the proxy into a NotDoneError."""
        try:
            yield
        except UnreachableError as error:
            told_by = f"This path was told by {self.where.told_by}."
            raise NotDoneError(str(error), UNREACHABLE, told_by) from error
        except TimedOutError as error:
            more = "-t MS waits longer, -t 0 without limit."
            raise NotDoneError(str(error), UNKNOWN, more) from error
        except BrokenChannelError as error:
            raise NotDoneError(str(error), UNKNOWN) from error

    def _accepted(self, response: pb.Response) -> pb.Response:
        if response.status == pb.OK:
            return response
        message = response.message
        raise NotDoneError(
            f"Request failed: {printable_lines(message)}",
            SOME_FAILED if _BY_WORKER.search(message) else REFUSED,
            *on_refusal(message),
        )


class Progress:
    """
    Tells on stderr how far the proxy is, if that is worth a reader's time.

    At a terminal it is, at once; elsewhere once a second has passed.
    """

    def __init__(self, timer: Callable[[float, Callable[[], None]], Timer] = Timer) -> None:
        self._untold: list[str] = []
        self._is_quiet = not sys.stderr.isatty()
        self._lock = Lock()
        self._timer = timer(QUIET_SECONDS, self._second_passed)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._timer.cancel()

    def told(self, text: str) -> None:
        """The proxy said how far it is."""
        with self._lock:
            self._untold.append(printable_lines(text))
            self._tell()

    def _second_passed(self) -> None:
        with self._lock:
            self._is_quiet = False
            self._tell()

    def _tell(self) -> None:
        if not self._is_quiet:
            for line in self._untold:
                click.echo(line, err=True)
            self._untold.clear()


def order(verb: str, message: object) -> pb.Request:
    """Return a request whose verb is known only now."""
    fields: dict[str, Any] = {verb: message}
    return pb.Request(**fields)


def carry_out(
    request: pb.Request, show: Show | None = None, patience: Patience = Patience.USUAL
) -> None:
    """Ask for one thing, and print what came of it."""
    proxy = Proxy(click.get_current_context(), patience)
    tell(proxy, proxy.ask(request), show)


def tell(proxy: Proxy, response: pb.Response, show: Show | None = None) -> None:
    """Print an answer: its content, or that it was a success."""
    has_content = response.content.WhichOneof("content_type") is not None
    if proxy.is_json:
        click.echo(as_json(content_to_json(response.content) if has_content else {}))
    elif has_content and show is not None:
        for line in show(response.content):
            click.echo(line)
    else:
        click.echo(f"Success: {printable_lines(response.message)}")
        return
    # What follows is no news of the success, but what the reader would miss.
    _, _, note = response.message.partition("; ")
    if note:
        click.echo(f"Note: {printable_lines(note)}", err=True)


def as_json(value: Mapping[str, object], indent: int | None = 2) -> str:
    """Return JSON as everything here prints it: it changes nothing of a terminal either."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _NOT_ASCII.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    letter = found[0]
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


def printable_lines(text: str) -> str:
    """Return a text of several lines that changes nothing of the terminal it is shown on."""
    return "\n".join(printable(line) for line in text.splitlines())


def screen_width() -> int | None:
    """Return how wide tables may be; None where nobody looks."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Let Ctrl-C end what would not end by itself, with the status that it always has."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
