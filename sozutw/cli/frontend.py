"""`sozutw frontend`: which requests go to which cluster."""

from typing import Any, Final

import click

from sozutw.cli import values
from sozutw.cli.asking import carry_out, order
from sozutw.cli.commands import Group, examples
from sozutw.cli.frontend_tables import show_frontends
from sozutw.cli.hsts import hsts_of, hsts_options
from sozutw.control.proto import command_pb2 as pb

POSITIONS: Final = {"pre": pb.PRE, "tree": pb.TREE, "post": pb.POST}
REDIRECTS: Final = {name.lower(): number for name, number in pb.RedirectPolicy.items()}
SCHEMES: Final = {
    name.lower().replace("_", "-"): number for name, number in pb.RedirectScheme.items()
}


@click.group(cls=Group)
def frontend() -> None:
    """List, add or remove frontends: which requests, or connections, go to which cluster."""


@frontend.command(
    "list",
    epilog=examples(
        "sozutw frontend list -c sozutw.toml", "sozutw frontend list --https -d shop -c sozutw.toml"
    ),
)
@click.option("--http", is_flag=True, help="Those of HTTP.")
@click.option("--https", is_flag=True, help="Those of HTTPS.")
@click.option("--tcp", is_flag=True, help="Those of TCP, and of UDP.")
@click.option("-d", "--domain", metavar="TEXT", help="Only those whose hostname has this in it.")
def list_(http: bool, https: bool, tcp: bool, domain: str | None) -> None:
    """List all frontends, or those of some kinds."""
    filters = pb.FrontendFilters(http=http, https=https, tcp=tcp, domain=domain)
    carry_out(pb.Request(list_frontends=filters), show_frontends)


def _selectors() -> list[click.Parameter]:
    """Return what says which frontend is meant."""
    return [
        click.Option(
            ["-a", "--address"],
            type=values.LISTEN_ADDRESS,
            required=True,
            help="The address of its listener.",
        ),
        click.Option(
            ["--hostname", "--host", "hostname"],
            metavar="NAME",
            required=True,
            help="The host that is asked for: a name, *.example.com, or /REGEX/ in a label.",
        ),
        click.Option(["-p", "--path-prefix"], metavar="PATH", help="What its path begins with."),
        click.Option(["--path-regex"], metavar="REGEX", help="What its whole path matches."),
        click.Option(["--path-equals"], metavar="PATH", help="What its path is."),
        click.Option(["-m", "--method"], metavar="METHOD", help="Only this method."),
        click.Option(
            ["--position"],
            type=values.Named(POSITIONS),
            default="tree",
            show_default=True,
            help="When it is looked at: before the tree of hosts, in it, or after it.",
        ),
    ]


def _actions() -> list[click.Parameter]:
    """Return what a frontend can do beside leading to a cluster."""
    return [
        click.Option(
            ["--tags"], type=values.PAIRS, help="What the access log has of each of its requests."
        ),
        click.Option(["--redirect"], type=values.Named(REDIRECTS), help="Answer with a redirect."),
        click.Option(
            ["--redirect-scheme"], type=values.Named(SCHEMES), help="The scheme that it leads to."
        ),
        click.Option(
            ["--redirect-template"],
            metavar="TEXT",
            help="The answer; %REDIRECT_LOCATION is filled in.",
        ),
        click.Option(
            ["--rewrite-host"],
            metavar="TEXT",
            help="The host that the backend sees; $HOST[n], $PATH[n].",
        ),
        click.Option(["--rewrite-path"], metavar="TEXT", help="The path that it sees, likewise."),
        click.Option(
            ["--rewrite-port"], metavar="PORT", type=values.PORT, help="The port that it sees."
        ),
        click.Option(["--required-auth"], is_flag=True, help="Let in only users of the cluster."),
        click.Option(
            ["--header", "headers"],
            type=values.HEADER,
            multiple=True,
            help="Set a header of the request, the response or both; an empty value removes it. "
            "Give it once for each.",
        ),
        *hsts_options(),
    ]


def path_rule(options: dict[str, Any]) -> pb.PathRule:
    """Take the options of the path out of ``options``, and return what they mean."""
    kinds = {"path_prefix": pb.PREFIX, "path_regex": pb.REGEX, "path_equals": pb.EQUALS}
    given = [(kind, options.pop(name)) for name, kind in kinds.items()]
    given = [(kind, text) for kind, text in given if text is not None]
    if len(given) > 1:
        raise click.UsageError("One of --path-prefix, --path-regex and --path-equals is meant.")
    kind, text = given[0] if given else (pb.PREFIX, "")
    return pb.PathRule(kind=kind, value=text)


def selected(options: dict[str, Any]) -> pb.RequestHttpFrontend:
    """Return the frontend that the options tell of, without a cluster yet."""
    options = dict(options)
    path = path_rule(options)
    if "hsts_max_age" in options:
        options["hsts"] = hsts_of(options)
        options["required_auth"] = options["required_auth"] or None
    return pb.RequestHttpFrontend(path=path, **options)


def _add_http_commands(kind: str) -> None:
    """Add ``frontend http`` or ``frontend https``, which differ in nothing but the verb."""
    spelled = kind.upper()

    @frontend.group(kind, help=f"Add or remove frontends of {spelled}.")
    def of_kind() -> None:
        pass

    for action, params, text in (
        (
            "add",
            [*_selectors(), *_actions()],
            f"Lead {spelled} requests of a host to a cluster, or deny them.",
        ),
        ("remove", _selectors(), f"Remove a frontend of {spelled}; the same options tell which."),
    ):
        verb = f"{action}_{kind}_frontend"
        begin = f"sozutw frontend {kind} {action} -a 127.0.0.1:8080 --hostname shop.example"
        end = "-c sozutw.toml"

        def tell_selected(**options: Any) -> None:
            ctx = click.get_current_context()
            if ctx.invoked_subcommand is None:
                raise click.UsageError("After the options, `id CLUSTER` or `deny` is meant.")
            ctx.obj = selected(options)

        group = Group(
            action,
            invoke_without_command=True,
            callback=tell_selected,
            params=params,
            help=f"{text}\n\nAfter the options stands `id CLUSTER`, or `deny`.",
            short_help=text,
            subcommand_metavar="id CLUSTER | deny",
            epilog=examples(
                f"{begin} id shop {end}",
                f"{begin} -p /admin -m POST deny {end}",
            ),
        )
        of_kind.add_command(group)
        _add_ends(group, verb, begin, end)


def _add_ends(group: click.Group, verb: str, begin: str, end: str) -> None:
    """Add ``id CLUSTER`` and ``deny``, which say where it leads to."""

    @group.command("id", epilog=examples(f"{begin} id shop {end}"))
    @click.argument("cluster_id", metavar="CLUSTER")
    @click.pass_obj
    def to_cluster(chosen: pb.RequestHttpFrontend, cluster_id: str) -> None:
        """It leads to a cluster."""
        chosen.cluster_id = cluster_id
        carry_out(order(verb, chosen))

    @group.command("deny", epilog=examples(f"{begin} deny {end}"))
    @click.pass_obj
    def to_nobody(chosen: pb.RequestHttpFrontend) -> None:
        """It leads to no cluster: its requests are answered with 401."""
        carry_out(order(verb, chosen))


def _add_stream_commands(kind: str, message: Any) -> None:
    """Add ``frontend tcp`` or ``frontend udp``."""
    spelled = kind.upper()

    @frontend.group(kind, help=f"Add or remove frontends of {spelled}.")
    def of_kind() -> None:
        pass

    def params() -> list[click.Parameter]:
        return [
            click.Option(
                ["-i", "--id", "cluster_id"],
                metavar="CLUSTER",
                required=True,
                help="Where it leads to.",
            ),
            click.Option(
                ["-a", "--address"],
                type=values.LISTEN_ADDRESS,
                required=True,
                help="The address of its listener.",
            ),
        ]

    call = "-i game -a 127.0.0.1:9000 -c sozutw.toml"

    @of_kind.command(
        params=params(),
        help=f"Lead all that comes to a listener of {spelled} to a cluster.",
        epilog=examples(f"sozutw frontend {kind} add {call}"),
    )
    @click.option("--tags", type=values.PAIRS, help="What the access log has of it.")
    def add(**options: Any) -> None:
        carry_out(order(f"add_{kind}_frontend", message(**options)))

    @of_kind.command(
        params=params(),
        help="Lead it to that cluster no more.",
        epilog=examples(f"sozutw frontend {kind} remove {call}"),
    )
    def remove(**options: Any) -> None:
        carry_out(order(f"remove_{kind}_frontend", message(**options)))


_add_http_commands("http")
_add_http_commands("https")
_add_stream_commands("tcp", pb.RequestTcpFrontend)
_add_stream_commands("udp", pb.RequestUdpFrontend)
