"""What is told of clusters."""

from collections.abc import Iterable, Iterator, Mapping

from sozutw.cli import spelling
from sozutw.cli.asking import screen_width
from sozutw.cli.frontend_tables import http_frontends, stream_frontends
from sozutw.cli.listener_options import TIMEOUTS
from sozutw.cli.tables import columns, pairs, table
from sozutw.control.proto import command_pb2 as pb

MAIN = "main"


def show_hashes(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of each cluster whether all processes have the same of it."""
    told = {who: dict(held.cluster_hashes.map) for who, held in by_process(content).items()}
    rows = []
    for cluster_id in sorted({cluster_id for hashes in told.values() for cluster_id in hashes}):
        held = {who: hashes.get(cluster_id) for who, hashes in told.items()}
        right = held.get(MAIN, next(iter(held.values())))
        behind = sorted(who for who, value in held.items() if value != right)
        rows.append(
            (
                cluster_id,
                "" if right is None else str(right),
                f"differs: {', '.join(behind)}" if behind else "same",
            )
        )
    yield from table(columns("cluster", ">hash", "in all processes"), rows, screen_width())


def show_clusters(content: pb.ResponseContent) -> Iterator[str]:
    """Tell all of some clusters, as the main process has them, and who has them otherwise."""
    told = by_process(content)
    right = told.get(MAIN) or next(iter(told.values()), pb.ResponseContent())
    if not right.clusters.vec:
        yield "There is no such cluster."
    for number, information in enumerate(right.clusters.vec):
        if number:
            yield ""
        yield from _cluster(information)
    behind = sorted(who for who, held in told.items() if held.clusters != right.clusters)
    if behind:
        yield ""
        yield f"Processes that have it otherwise: {', '.join(behind)} (-j tells how)"


def by_process(content: pb.ResponseContent) -> Mapping[str, pb.ResponseContent]:
    """Return what each process said; an answer that is not by process is the main one's."""
    if content.WhichOneof("content_type") == "worker_responses":
        return dict(content.worker_responses.map)
    return {MAIN: content}


def _cluster(information: pb.ClusterInformation) -> Iterator[str]:
    if information.HasField("configuration"):
        yield from pairs(_configuration(information.configuration))
    sections = (
        ("HTTP frontends", http_frontends(information.http_frontends, with_cluster=False)),
        ("HTTPS frontends", http_frontends(information.https_frontends, with_cluster=False)),
        ("TCP frontends", stream_frontends(information.tcp_frontends, with_cluster=False)),
        ("UDP frontends", stream_frontends(information.udp_frontends, with_cluster=False)),
        ("Backends", _backends(information.backends)),
    )
    for heading, lines in sections:
        if lines:
            yield ""
            yield heading
            yield from (f"  {line}" for line in lines)


def _configuration(held: pb.Cluster) -> Iterator[tuple[str, str]]:
    """Give what is set; what is not says nothing."""
    yield "cluster", held.cluster_id
    yield "load balancing", pb.LoadBalancingAlgorithms.Name(held.load_balancing).lower()
    if held.HasField("load_metric"):
        yield "load metric", pb.LoadMetric.Name(held.load_metric).lower()
    yield "sticky sessions", spelling.yes(held.sticky_session)
    port = f", port {held.https_redirect_port}" if held.HasField("https_redirect_port") else ""
    yield "redirect to HTTPS", spelling.yes(held.https_redirect) + port
    yield from _towards_backends(held)
    yield from _towards_clients(held)


def _towards_backends(held: pb.Cluster) -> Iterator[tuple[str, str]]:
    if held.HasField("http2"):
        yield "HTTP/2 to backends", spelling.yes(held.http2)
    if held.HasField("proxy_protocol"):
        yield "PROXY protocol", pb.ProxyProtocolConfig.Name(held.proxy_protocol).lower()
    extras = held.extras
    if extras.HasField("affinity"):
        yield "affinity", extras.affinity
    for name in (*TIMEOUTS, "tunnel_timeout"):
        if extras.HasField(name):
            yield name.replace("_", " "), spelling.seconds(getattr(extras, name))
    if extras.HasField("backend_tls"):
        yield "TLS to backends", "not verified" if extras.backend_tls.insecure else "verified"
    if held.HasField("health_check"):
        check = held.health_check
        asked = "a connection" if check.tcp else check.uri
        yield "health check", f"{asked} every {spelling.seconds(check.interval)}"


def _towards_clients(held: pb.Cluster) -> Iterator[tuple[str, str]]:
    if held.HasField("max_connections_per_ip"):
        yield "connections per IP", str(held.max_connections_per_ip or "no limit")
    if held.HasField("retry_after"):
        yield "Retry-After", spelling.seconds(held.retry_after)
    if held.authorized_hashes:
        yield "users", ", ".join(user.partition(":")[0] for user in held.authorized_hashes)
    if held.HasField("www_authenticate"):
        yield "WWW-Authenticate", held.www_authenticate
    answers = {*held.answers, *(["503"] if held.answer_503 else [])}
    if answers:
        yield "answers of its own", ", ".join(sorted(answers))


def _backends(held: Iterable[pb.AddBackend]) -> list[str]:
    rows = [
        (
            backend.backend_id,
            spelling.address(backend.address),
            str(backend.load_balancing_parameters.weight or 100),
            backend.sticky_id,
            spelling.yes(backend.backup),
        )
        for backend in held
    ]
    heads = columns("backend", "address", ">weight", "sticky id", "backup")
    return table(heads, rows, screen_width()) if rows else []
