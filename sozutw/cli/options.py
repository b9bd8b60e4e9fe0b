"""Options that several commands share, with one wording."""

import os
import sys

import click

from sozutw.cli.commands import CONFIG
from sozutw.cli.where import CONFIG_VARIABLE
from sozutw.config.model import Config


def _given_anywhere(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Take what stands before the subcommand, or in the environment, for want of an own value."""
    found: str | None = value or ctx.meta.get(CONFIG) or os.environ.get(CONFIG_VARIABLE)
    if not found:
        raise click.MissingParameter(ctx=ctx, param=param)
    return found


config_option = click.option(
    "-c",
    "--config",
    "path",
    callback=_given_anywhere,
    type=click.Path(readable=False),
    metavar="FILE",
    help="The configuration, in the words of Sōzu's config.toml.  [required]",
)

skip_unsupported_option = click.option(
    "--skip-unsupported",
    is_flag=True,
    help="Serve the rest of a file that asks for more than there is yet; warn of each.",
)


def config_or_exit(path: str, *, skip_unsupported: bool) -> Config:
    """Return the configuration, warnings told; or tell all that is wrong, and exit 78."""
    # What judges a file brings more along than a command that asks the proxy has time for.
    from sozutw.process.configuration import EX_CONFIG, read_configuration  # noqa: PLC0415

    verdict = read_configuration(path, skip_unsupported=skip_unsupported)
    for line in verdict.lines():
        click.echo(line, err=True)
    if verdict.config is None:
        sys.exit(EX_CONFIG)
    return verdict.config
