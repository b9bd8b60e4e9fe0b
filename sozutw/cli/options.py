"""Options that several commands share, with one wording."""

import sys

import click

from sozutw.config.model import Config
from sozutw.process.configuration import EX_CONFIG, read_configuration

config_option = click.option(
    "-c",
    "--config",
    "path",
    required=True,
    metavar="FILE",
    help="The configuration, in the words of Sōzu's config.toml.",
)

skip_unsupported_option = click.option(
    "--skip-unsupported",
    is_flag=True,
    help="Serve the rest of a file that asks for more than there is yet; warn of each.",
)


def config_or_exit(path: str, *, skip_unsupported: bool) -> Config:
    """Return the configuration, warnings told; or tell all that is wrong, and exit 78."""
    verdict = read_configuration(path, skip_unsupported=skip_unsupported)
    for line in verdict.lines():
        click.echo(line, err=True)
    if verdict.config is None:
        sys.exit(EX_CONFIG)
    return verdict.config
