"""The `sozutw` command; each command's own module is read only when it is called."""

from typing import Any, Final

import click

from sozutw.cli.commands import RootGroup, examples
from sozutw.cli.outcome import EXIT_STATUSES

COMMANDS: Final = {
    "apply": (
        "sozutw.cli.reload:apply",
        "Make what a file says true, and tell what was changed for it.",
    ),
    "backend": ("sozutw.cli.backend:backend", "Add a server to a cluster, or remove one."),
    "certificate": (
        "sozutw.cli.certificate:certificate",
        "List, add, replace or remove the certificates of HTTPS listeners.",
    ),
    "cluster": (
        "sozutw.cli.cluster:cluster",
        "List, add, change or remove clusters: servers that requests are led to, and how.",
    ),
    "completion": (
        "sozutw.cli.completion:completion",
        "Print what makes a shell complete the commands and options of sozutw.",
    ),
    "config": ("sozutw.cli.config:config", "Ask about a configuration file."),
    "connection-limit": (
        "sozutw.cli.connection_limit:connection_limit",
        "Limit the connections that one IP address may have to one cluster.",
    ),
    "demo": (
        "sozutw.cli.demo:demo",
        "Run a proxy on 127.0.0.1 with two small backends of its own.",
    ),
    "diff": ("sozutw.cli.reload:diff", "Tell what `apply FILE` would change, and change nothing."),
    "events": (
        "sozutw.cli.events:events",
        "Print what happens, a line each, until Ctrl-C ends it with status 130.",
    ),
    "explain": (
        "sozutw.cli.explain:explain",
        "Tell where a request would go, and why not elsewhere.",
    ),
    "frontend": (
        "sozutw.cli.frontend:frontend",
        "List, add or remove frontends: which requests, or connections, go to which cluster.",
    ),
    "listener": (
        "sozutw.cli.listener:listener",
        "List, add, change or remove listeners: the addresses that clients are accepted on.",
    ),
    "logging": (
        "sozutw.cli.status:logging",
        "Change what is written to the log, until the proxy is started anew.",
    ),
    "metrics": (
        "sozutw.cli.metrics:metrics",
        "Read the counters and timers, clear them, or have them kept or not.",
    ),
    "reload": (
        "sozutw.cli.reload:reload",
        "Have the proxy read its configuration again, and do what differs.",
    ),
    "serve": (
        "sozutw.cli.serve:serve",
        "Pass every request on to the backends in turn, without a configuration file.",
    ),
    "sessions": (
        "sozutw.cli.sessions:sessions",
        "List the clients that are connected, or disconnect one.",
    ),
    "shutdown": (
        "sozutw.cli.status:shutdown",
        "Stop the proxy once the exchanges under way have ended.",
    ),
    "start": ("sozutw.cli.start:start", "Serve what FILE asks for, in the foreground."),
    "state": ("sozutw.cli.state:state", "Save what the proxy holds now, or load what was saved."),
    "status": (
        "sozutw.cli.status:status",
        "Tell which processes there are, and whether they answer.",
    ),
    "upgrade": (
        "sozutw.cli.status:upgrade",
        "Put the program that is installed now in the place of the one that runs.",
    ),
}
"""Where each command is defined, and what it does: `--help` need not wait for Twisted."""

HELP: Final = """\
Run a reverse proxy, and change it while it runs.

A command that asks the running proxy finds it by its configuration (-c) or its command socket (-s).
What it prints is for people; with -j it is for programs.

\b
Exit statuses:
""" + "\n".join(f"  {status:>3}  {meaning}" for status, meaning in EXIT_STATUSES.items())


@click.group(
    cls=RootGroup,
    modules=COMMANDS,
    help=HELP,
    epilog=examples(
        "sozutw demo",
        "sozutw serve --listen 8080 --to localhost:8000 --to 127.0.0.1:8001",
        "sozutw config check -c sozutw.toml",
        "sozutw start -c sozutw.toml",
        "sozutw status -c sozutw.toml",
        "sozutw backend add -i shop --backend-id shop-2 -a 10.0.0.7:8080 -c sozutw.toml",
    ),
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(None, "-V", "--version", package_name="sozutw", prog_name="sozutw")
def main(**_options: Any) -> None:
    """Run a reverse proxy, and change it while it runs."""
