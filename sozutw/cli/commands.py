"""
Commands and groups whose common options stand before or after the subcommand, as Sōzu's do.

``-c``, ``-s``, ``-t`` and ``-j`` are taken at every level of the tree; the one that stands last
wins. A command with a short option of its own (``cluster add -s``) keeps it.
"""

import inspect
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

import click
from click.shell_completion import CompletionItem
from typing_extensions import override

from sozutw.cli import values
from sozutw.cli.outcome import error_as_json, exit_status_of

CONFIG: Final = "sozutw.config"
SOCKET: Final = "sozutw.socket"
TIMEOUT: Final = "sozutw.timeout"
JSON: Final = "sozutw.json"
"""Where the common options are kept, in ``click.Context.meta``."""


class CommonOption(click.Option):
    """An option that every command takes; what is given is kept in the context's ``meta``."""


def _kept_as(key: str) -> Any:
    def keep(ctx: click.Context, _param: click.Parameter, value: object) -> None:
        if value is not None and value is not False:
            ctx.meta[key] = value

    return keep


def common_options() -> list[click.Option]:
    """Return fresh options that every command takes."""
    return [
        CommonOption(
            ["-c", "--config"],
            metavar="FILE",
            type=click.Path(readable=False),
            expose_value=False,
            callback=_kept_as(CONFIG),
            help="The configuration of the proxy, which says where its command socket is. "
            "SOZUTW_CONFIG if not given.",
        ),
        CommonOption(
            ["-s", "--socket"],
            metavar="PATH",
            type=click.Path(readable=False),
            expose_value=False,
            callback=_kept_as(SOCKET),
            help="The command socket itself; no file is read then. SOZUTW_SOCKET if not given.",
        ),
        CommonOption(
            ["-t", "--timeout"],
            metavar="MS",
            type=values.NUMBER,
            expose_value=False,
            callback=_kept_as(TIMEOUT),
            help="How many milliseconds to wait for the proxy; 0 is without limit. "
            "ctl_command_timeout of the file (1000) if not given.",
        ),
        CommonOption(
            ["-j", "--json"],
            is_flag=True,
            expose_value=False,
            callback=_kept_as(JSON),
            help="Print the answer, or what is wrong, as JSON on stdout.",
        ),
    ]


def _with_common(params: Sequence[click.Parameter]) -> list[click.Parameter]:
    """Return the params and the common ones, less what the command's own are called."""
    taken = {name for param in params for name in (*param.opts, *param.secondary_opts)}
    joined = list(params)
    for option in common_options():
        option.opts = [name for name in option.opts if name not in taken]
        if option.opts:
            joined.append(option)
    return joined


def _write_options(command: click.Command, ctx: click.Context, out: click.HelpFormatter) -> None:
    """Tell a command's own options first, and the common ones under a heading of their own."""
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            (common if isinstance(param, CommonOption) else own).append(record)
    for heading, records in (("Options", own), ("Options of every command", common)):
        if records:
            with out.section(heading):
                out.write_dl(records)


class Command(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings["params"] = _with_common(settings.get("params") or ())
        super().__init__(*args, **settings)

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Tell the command's own options first."""
        _write_options(self, ctx, formatter)


class Group(click.Group):
    """A group with the common options, whose commands have them too."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings["params"] = _with_common(settings.get("params") or ())
        super().__init__(*args, **settings)

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Tell the group's own options first, and then its commands."""
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


class RootGroup(Group):
    """
    The whole command; a subcommand's module is read only when it is called.

    ``modules`` says for each command where it is defined, as ``module:name``, and its short help,
    so that neither ``--help`` nor a completion reads all modules.
    """

    def __init__(self, *args: Any, modules: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.modules = modules

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in their order."""
        return sorted(self.modules)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, its module now read."""
        if cmd_name not in self.modules:
            return None
        module, _, name = self.modules[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Tell the commands without reading their modules."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.modules[name][1]) for name in sorted(self.modules)])

    @override
    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a name without reading the modules."""
        found = [
            CompletionItem(name, help=self.modules[name][1])
            for name in sorted(self.modules)
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    @override
    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; what is wrong is told as JSON on stdout if that was asked for."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        words = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            _tell_and_exit(error, words)
        except click.Abort:
            click.echo("Aborted!", err=True)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def _tell_and_exit(error: click.ClickException, words: Sequence[str]) -> NoReturn:
    ctx = getattr(error, "ctx", None)
    # A usage error may come before the option was read.
    if "-j" in words or "--json" in words or (ctx is not None and JSON in ctx.meta):
        click.echo(error_as_json(error))
    else:
        error.show()
    sys.exit(exit_status_of(error))


def examples(*lines: str) -> str:
    """Return an epilog that shows how a command is called."""
    heading = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(("\b", heading, *(f"  {inspect.cleandoc(line)}" for line in lines)))
