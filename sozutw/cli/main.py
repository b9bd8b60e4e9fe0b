"""The `sozutw` command; each command's own module is read only when it is called."""

from importlib import import_module
from typing import Any

import click
from typing_extensions import override

COMMANDS = {
    "config": ("sozutw.cli.config", "config"),
    "demo": ("sozutw.cli.demo", "demo"),
    "serve": ("sozutw.cli.serve", "serve"),
    "start": ("sozutw.cli.start", "start"),
}
"""Where each command is defined. `sozutw --version` need not wait for Twisted."""


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


EXAMPLES = """\b
Examples:
  sozutw demo
  sozutw serve --listen 8080 --to localhost:8000 --to 127.0.0.1:8001
  sozutw config check -c sozutw.toml
  sozutw start -c sozutw.toml
"""


@click.group(cls=LazyGroup, epilog=EXAMPLES, context_settings={"max_content_width": 100})
@click.version_option(package_name="sozutw", prog_name="sozutw")
def main(**_options: Any) -> None:
    """
    Run a reverse proxy, or ask about its configuration.

    Exit statuses: 0 all is well, 1 it could not start, 2 the command line is wrong,
    78 the configuration is.
    """
