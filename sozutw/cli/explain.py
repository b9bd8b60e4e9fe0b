"""`sozutw explain`: where a request would go, and why."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import click

from sozutw.cli import values
from sozutw.cli.asking import carry_out
from sozutw.cli.commands import Command, examples
from sozutw.config.table import printable
from sozutw.control.proto import command_pb2 as pb


def url(text: str) -> str:
    """Read a URL with a scheme of ours and a host."""
    try:
        parts = urlsplit(text)
        is_right = parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname)
        _ = parts.port  # which is read only now
    except ValueError as error:
        raise ValueError(f"it is no URL: {error}") from None
    if not is_right:
        raise ValueError("http://HOST[:PORT]/PATH or https://… is meant")
    return text


@click.command(
    cls=Command,
    epilog=examples(
        "sozutw explain https://shop.example/cart -c sozutw.toml",
        "sozutw explain http://shop.example:8080/ -H 'Cookie: SOZUBALANCEID=b1' "
        "--source 192.0.2.7 -c sozutw.toml",
    ),
)
@click.argument("url", type=values.Value("URL", url))
@click.option(
    "-H",
    "--header",
    "headers",
    type=values.FIELD_LINE,
    multiple=True,
    help="A field of the request. Give it once for each.",
)
@click.option(
    "-m", "--method", metavar="METHOD", default="GET", show_default=True, help="Its method."
)
@click.option("--source", type=values.IP, help="The client's address; one of nowhere if not given.")
def explain(url: str, headers: tuple[str, ...], method: str, source: str | None) -> None:
    """
    Tell where a request would go, and why not elsewhere.

    Prints which listener, certificate, frontend, policies, cluster and backends would be chosen,
    and of each other candidate why it was not. Nothing is sent to a backend.
    """
    question = pb.Explain(url=url, method=method, headers=headers, source=source)
    carry_out(pb.Request(explain=question), show_explanation)


def show_explanation(content: pb.ResponseContent) -> Iterator[str]:
    """Tell each decision, and below it what was passed over."""
    for step in content.explanation.steps:
        chosen = printable(step.chosen) if step.HasField("chosen") else "none"
        yield f"{printable(step.kind)}: {chosen}"
        yield f"    {printable(step.because)}"
        for other in step.passed_over:
            yield f"    not {printable(other.what)}: {printable(other.because)}"
