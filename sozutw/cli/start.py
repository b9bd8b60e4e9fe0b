"""`sozutw start`: serve a configuration in the foreground."""

import os

import click

from sozutw.cli.options import config_option, config_or_exit, skip_unsupported_option
from sozutw.process.host import Source
from sozutw.process.run import choose_reactor, run_in_foreground

EXAMPLE = """\b
Example:
  sozutw start -c sozutw.toml
"""


@click.command(epilog=EXAMPLE)
@config_option
@skip_unsupported_option
def start(path: str, skip_unsupported: bool) -> None:
    """
    Serve what FILE asks for, in the foreground.

    The same as `twistd -n sozutw --config FILE`. The first Ctrl-C (or SIGTERM) stops softly,
    within graceful_shutdown_timeout; the second stops at once. SIGHUP reopens the logs and does
    what `reload` does; the log tells what came of it. SIGUSR1 prints the counters as JSON.
    """
    config = config_or_exit(path, skip_unsupported=skip_unsupported)
    source = Source(os.path.abspath(path), skip_unsupported)  # links stay
    run_in_foreground(config, choose_reactor(), source=source)
