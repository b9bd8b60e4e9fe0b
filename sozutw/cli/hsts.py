"""The ``--hsts-…`` options of frontends and listeners."""

from typing import Any, Final

import click

from sozutw.cli import values
from sozutw.control.proto import command_pb2 as pb

YEAR_SECONDS: Final = 31_536_000


def hsts_options() -> list[click.Parameter]:
    """Return the options, fresh."""
    return [
        click.Option(
            ["--hsts-max-age"],
            metavar="S",
            type=values.NUMBER,
            help="Tell browsers to come by HTTPS only, for so many seconds; a year if only another "
            "--hsts option is given. 0 has them forget it.",
        ),
        click.Option(["--hsts-include-subdomains"], is_flag=True, help="For subdomains too."),
        click.Option(
            ["--hsts-preload"], is_flag=True, help="Agree to the preload lists of browsers."
        ),
        click.Option(
            ["--hsts-disabled"], is_flag=True, help="Have none, whatever else is configured."
        ),
        click.Option(
            ["--hsts-force-replace-backend"],
            is_flag=True,
            help="Replace what a backend says of it.",
        ),
    ]


def hsts_of(options: dict[str, Any]) -> pb.HstsConfig | None:
    """Take the options out of ``options``, and return what they mean; None if none was given."""
    max_age = options.pop("hsts_max_age")
    is_disabled = options.pop("hsts_disabled")
    names = ("include_subdomains", "preload", "force_replace_backend")
    flags = {name: True for name in names if options.pop(f"hsts_{name}")}
    is_enabled = max_age is not None or bool(flags)
    if is_disabled:
        if is_enabled:
            raise click.UsageError("--hsts-disabled stands alone among the --hsts options.")
        return pb.HstsConfig(enabled=False)
    if not is_enabled:
        return None
    max_age = YEAR_SECONDS if max_age is None else max_age
    return pb.HstsConfig(enabled=True, max_age=max_age, **flags)
