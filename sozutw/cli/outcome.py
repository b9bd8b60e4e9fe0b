"""How a command ends: its exit statuses, and what is told when it did not do what was asked."""

import json
from typing import IO, Any, Final

import click
from typing_extensions import override

REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
UNKNOWN: Final = 4
SOME_FAILED: Final = 5
BAD_CONFIGURATION: Final = 78
"""As in sysexits.h."""
INTERRUPTED: Final = 130
"""As of any command that Ctrl-C ends."""

EXIT_STATUSES: Final = {
    0: "all is well",
    REFUSED: "refused: nothing has changed; or a proxy could not start",
    USAGE: "the command line is wrong",
    UNREACHABLE: "the command socket cannot be reached",
    UNKNOWN: "there was no answer in time: whether it was done is not known",
    SOME_FAILED: "some workers failed",
    BAD_CONFIGURATION: "the configuration is wrong",
    INTERRUPTED: "Ctrl-C ended it",
}


class NotDoneError(click.ClickException):
    """
    What was asked was not done, or nobody knows.

    ``exit_status`` tells which of both; ``advice`` says what can be done about it, a line each.
    """

    json_indent: int | None = 2
    """How it is told as JSON; None: in one line, where all else is."""

    def __init__(self, message: str, exit_status: int, *advice: str) -> None:
        super().__init__(message)
        self.exit_status = exit_status
        self.advice = advice

    @override
    def show(self, file: IO[Any] | None = None) -> None:
        """Print what was wrong, and what to do, on stderr."""
        click.echo(self.message, file=file, err=True)
        for line in self.advice:
            click.echo(f"  {line}", file=file, err=True)


def exit_status_of(error: click.ClickException) -> int:
    """Return the status that an error ends the command with."""
    return error.exit_status if isinstance(error, NotDoneError) else error.exit_code


def error_as_json(error: click.ClickException) -> str:
    """Return an error as one object: what is wrong, the exit status, and what to do about it."""
    told: dict[str, object] = {"error": error.format_message(), "code": exit_status_of(error)}
    indent: int | None = 2
    if isinstance(error, NotDoneError):
        indent = error.json_indent
        if error.advice:
            told["advice"] = list(error.advice)
    return json.dumps(told, ensure_ascii=False, indent=indent)
