"""`sozutw cluster`: what requests are led to."""

import click

from sozutw.cli import values
from sozutw.cli.asking import Proxy, carry_out, tell
from sozutw.cli.cluster_tables import show_clusters, show_hashes
from sozutw.cli.commands import Group, examples
from sozutw.cli.health_check import health_check
from sozutw.cli.outcome import REFUSED, NotDoneError
from sozutw.control.proto import command_pb2 as pb

POLICIES = {name.lower(): number for name, number in pb.LoadBalancingAlgorithms.items()}


@click.group(cls=Group)
def cluster() -> None:
    """List, add, change or remove clusters: servers that requests are led to, and how."""


cluster.add_command(health_check)


def id_option(meaning: str = "Which cluster.", *, is_required: bool = True) -> click.Option:
    """Return ``-i``."""
    return click.Option(
        ["-i", "--id", "cluster_id"], metavar="CLUSTER", required=is_required, help=meaning
    )


@cluster.command(
    "list",
    params=[id_option("Only this one, with all that belongs to it.", is_required=False)],
    epilog=examples(
        "sozutw cluster list -c sozutw.toml",
        "sozutw cluster list -i shop -c sozutw.toml",
        "sozutw cluster list -d shop.example/cart -c sozutw.toml",
    ),
)
@click.option(
    "-d", "--domain", metavar="HOST[/PATH]", help="Only those that this host, and path, leads to."
)
def list_(cluster_id: str | None, domain: str | None) -> None:
    """
    List all clusters, or tell all of some.

    Of all of them it is told whether every worker has the same as the main process.
    """
    if cluster_id is not None and domain is not None:
        raise click.UsageError("-i ID or -d DOMAIN is meant, not both.")
    if cluster_id is not None:
        carry_out(pb.Request(query_cluster_by_id=cluster_id), show_clusters)
    elif domain is not None:
        host, slash, path = domain.partition("/")
        by_domain = pb.QueryClusterByDomain(hostname=host, path=f"/{path}" if slash else None)
        carry_out(pb.Request(query_clusters_by_domain=by_domain), show_clusters)
    else:
        carry_out(pb.Request(query_clusters_hashes=pb.QueryClustersHashes()), show_hashes)


@cluster.command(
    params=[id_option("What it is called.")],
    epilog=examples(
        "sozutw cluster add -i shop --load-balancing-policy round_robin -c sozutw.toml",
        "sozutw cluster add -i shop --load-balancing-policy least_loaded -s "
        "--answer 503=file:///etc/sozutw/503.http -c sozutw.toml",
    ),
)
@click.option("-s", "--sticky-session", is_flag=True, help="Keep each client at one backend.")
@click.option("-r", "--https-redirect", is_flag=True, help="Lead plain HTTP to HTTPS with a 301.")
@click.option(
    "--send-proxy", is_flag=True, help="Begin connections to backends with a PROXY header."
)
@click.option("--expect-proxy", is_flag=True, help="Expect a PROXY header of clients, on TCP.")
@click.option(
    "--load-balancing-policy",
    "policy",
    type=values.Named(POLICIES),
    required=True,
    help="How a backend is chosen.",
)
@click.option("--http2", is_flag=True, help="Speak HTTP/2 to the backends.")
@click.option(
    "--https-redirect-port",
    metavar="PORT",
    type=values.PORT,
    help="The port of HTTPS that --https-redirect leads to.",
)
@click.option("--www-authenticate", metavar="TEXT", help="The WWW-Authenticate of a 401.")
@click.option(
    "--authorized-hash",
    "authorized_hashes",
    type=values.AUTHORIZED_HASH,
    multiple=True,
    help="Who is let in: a name, and the SHA-256 of the password. Give it once for each.",
)
@click.option(
    "--answer",
    "answers",
    type=values.ANSWER,
    multiple=True,
    help="What is answered with this status, or file://PATH of it. Give it once for each.",
)
def add(  # noqa: PLR0913, PLR0917  # an option each
    cluster_id: str,
    sticky_session: bool,
    https_redirect: bool,
    send_proxy: bool,
    expect_proxy: bool,
    policy: pb.LoadBalancingAlgorithms,
    http2: bool,
    https_redirect_port: int | None,
    www_authenticate: str | None,
    authorized_hashes: tuple[str, ...],
    answers: tuple[tuple[str, str], ...],
) -> None:
    """Add a cluster, or put this in the place of the one with the same id."""
    proxy_protocol = {
        (True, False): pb.SEND_HEADER,
        (False, True): pb.EXPECT_HEADER,
        (True, True): pb.RELAY_HEADER,
    }.get((send_proxy, expect_proxy))
    added = pb.Cluster(
        cluster_id=cluster_id,
        sticky_session=sticky_session,
        https_redirect=https_redirect,
        proxy_protocol=proxy_protocol,
        load_balancing=policy,
        https_redirect_port=https_redirect_port,
        www_authenticate=www_authenticate,
        authorized_hashes=authorized_hashes,
        answers=dict(answers),
    )
    if http2:
        added.http2 = True
    carry_out(pb.Request(add_cluster=added))


@cluster.command(
    params=[id_option()], epilog=examples("sozutw cluster remove -i shop -c sozutw.toml")
)
def remove(cluster_id: str) -> None:
    """Remove a cluster."""
    carry_out(pb.Request(remove_cluster=cluster_id))


@cluster.group()
def h2() -> None:
    """Speak HTTP/2 to the backends of a cluster, or HTTP/1.1 again."""


@h2.command(
    params=[id_option()], epilog=examples("sozutw cluster h2 enable -i shop -c sozutw.toml")
)
@click.pass_context
def enable(ctx: click.Context, cluster_id: str) -> None:
    """Speak HTTP/2 to the backends of a cluster."""
    change_h2(ctx, cluster_id, is_enabled=True)


@h2.command(
    params=[id_option()], epilog=examples("sozutw cluster h2 disable -i shop -c sozutw.toml")
)
@click.pass_context
def disable(ctx: click.Context, cluster_id: str) -> None:
    """Speak HTTP/1.1 to the backends of a cluster."""
    change_h2(ctx, cluster_id, is_enabled=False)


def change_h2(ctx: click.Context, cluster_id: str, *, is_enabled: bool) -> None:
    """Ask for the cluster as it is, and put it back with the one thing changed."""
    proxy = Proxy(ctx)
    found = proxy.ask(pb.Request(query_cluster_by_id=cluster_id)).content
    told = (
        found.worker_responses.map["main"].clusters
        if found.HasField("worker_responses")
        else (found.clusters)
    )
    for information in told.vec:
        if information.configuration.cluster_id == cluster_id:
            changed = pb.Cluster()
            changed.CopyFrom(information.configuration)
            changed.http2 = is_enabled
            tell(proxy, proxy.ask(pb.Request(add_cluster=changed)))
            return
    raise NotDoneError(
        f"Did not find cluster {cluster_id}", REFUSED, "`sozutw cluster list` shows what there is."
    )
