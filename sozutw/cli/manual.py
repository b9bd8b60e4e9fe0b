"""
The page doc/command-line.md, made of the commands themselves.

``scripts/command-line`` writes it.
"""

import inspect
from collections.abc import Iterator

import click

from sozutw.cli.commands import CommonOption
from sozutw.cli.main import COMMANDS, main
from sozutw.cli.outcome import EXIT_STATUSES

BEGINNING = """\
# The command line

This page is made of the commands' own `--help` by `scripts/command-line`; change it there.

`sozutw` takes Sōzu's commands and options, so that a script for `sozu` works once the name is
changed. What is ours beside them: `explain`, `sessions`, `apply`, `diff`, `serve`, `demo`,
`completion`, and the options `--socket`, `--keep`, `--without-keys`, `--position`, `--weight`,
`--tcp` and `--answer-400`.

## Which proxy is meant

A command that asks the running proxy finds its command socket, in this order, by

1. `-s PATH`, the socket itself;
2. `-c FILE`, of which only `command_socket`, `ctl_command_timeout` and the default timeouts are
   read;
3. `SOZUTW_SOCKET` in the environment, and then `SOZUTW_CONFIG`.

These options, and `-t` and `-j`, may stand before the subcommand or after it; the last one counts.
A command with an option of its own that is called the same, as `cluster add -s`, keeps it; there
the long spelling is left.

`-t MS` is how long the proxy may say nothing, in milliseconds; 0 is for ever, as with Sōzu from 2.3
on. Where it is not given, `ctl_command_timeout` of the file holds, or 1000. Commands that may take
long wait longer by themselves: `state save`, `state load`, `reload`, `apply`, `diff` and `upgrade`
for 60 seconds since the proxy last told of progress, `shutdown` and `events` for ever. Their
progress goes to stderr if that is a terminal, or if they take longer than a second.

## What is printed

The answer goes to stdout: a table, or `Success:` and what was done. What is wrong goes to stderr,
with a line on what to do about it. With `-j` both go to stdout as JSON: the answer in Sōzu's shape
(`{}` if it has none), an error as `{"error": …, "code": …, "advice": […]}`, whose code is the exit
status.

| exit status | meaning |
|---|---|
"""


def page() -> str:
    """Return the whole page."""
    parts = [BEGINNING.rstrip("\n")]
    parts += [f"| {status} | {meaning} |" for status, meaning in EXIT_STATUSES.items()]
    root = click.Context(main, info_name="sozutw", **main.context_settings)
    for name in sorted(COMMANDS):
        command = main.get_command(root, name)
        assert command is not None
        parts += _described(command, root, name, 2)
    return "\n".join(parts) + "\n"


def tree(command: click.Command, parent: click.Context, name: str) -> Iterator[click.Context]:
    """Yield a context for a command and for all below it."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from tree(found, context, below)


def _described(
    command: click.Command, parent: click.Context, name: str, level: int
) -> Iterator[str]:
    for context in tree(command, parent, name):
        words = context.command_path.split()
        depth = min(level + len(words) - 2, 4)
        yield f"\n{'#' * depth} {context.command_path}\n"
        yield from _prose(context.command.help or "")
        usage = " ".join(context.command.collect_usage_pieces(context))
        yield f"\n```\n{context.command_path} {usage}\n```"
        yield from _options(context)
        if context.command.epilog:
            yield from _examples(context.command.epilog)


def _prose(text: str) -> Iterator[str]:
    """Yield a help text; what it keeps as it stands is code."""
    is_first = True
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if not is_first:
            yield ""
        is_first = False
        lines = paragraph.strip("\n").split("\n")
        if lines[0] == "\b":
            yield lines[1]
            yield "\n```"
            yield from (line.strip() for line in lines[2:])
            yield "```"
        else:
            yield " ".join(line.strip() for line in lines)


def _options(context: click.Context) -> Iterator[str]:
    rows = []
    for param in context.command.get_params(context):
        if not isinstance(param, click.Option) or isinstance(param, CommonOption):
            continue  # arguments stand in the usage, and are told in the text
        if "--help" in param.opts:
            continue
        record = param.get_help_record(context)
        if record is not None:
            name, meaning = record
            rows.append(f"| `{_cell(name)}` | {_cell(meaning)} |")
    if rows:
        yield "\n| option | meaning |\n|---|---|"
        yield from rows


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("  [", " [")


def _examples(epilog: str) -> Iterator[str]:
    lines = epilog.splitlines()
    yield "\n```sh"
    yield from (line.strip() for line in lines[2:])
    yield "```"


if __name__ == "__main__":
    click.echo(page(), nl=False)
